"""Goldens of S5 layers, computed by the authors' own code with random weights.

    python s5.py --peer CHECKOUT --out OUT

CHECKOUT is lindermanlab/S5 at commit 3c18fdb6b06414da35e77b94b9cd855f6a95ef17. Needs jax, flax, numpy and safetensors.
Writes OUT/*.safetensors and OUT/INDEX.part.json, whose entries belong into ../INDEX.json. The layer is x + gate(S5(norm(x)));
weights are stored in float32 and computed with in float64.
"""

import argparse
import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import save_file

jax.config.update("jax_enable_x64", True)
jnp.DeviceArray = jax.Array  # an annotation of the peer that newer versions of jax do not have

parser = argparse.ArgumentParser()
parser.add_argument("--peer", required=True)
parser.add_argument("--out", type=pathlib.Path, required=True)
args = parser.parse_args()
sys.path.insert(0, args.peer)

import flax  # noqa: E402
from jax.scipy.linalg import block_diag  # noqa: E402
from s5.layers import SequenceLayer  # noqa: E402
from s5.ssm import init_S5SSM  # noqa: E402
from s5.ssm_init import make_DPLR_HiPPO  # noqa: E402

COMMIT = "3c18fdb6b06414da35e77b94b9cd855f6a95ef17"


def system(width, states, blocks, conj_sym, discretization, clip):
    """The initial system as the peer's training script builds it."""
    size = states // blocks
    lam, _, _, v, _ = make_DPLR_HiPPO(size)
    if conj_sym:
        size //= 2
        states //= 2
    lam, v = lam[:size], v[:, :size]
    vinv = v.conj().T
    lam = (lam * np.ones((blocks, size))).ravel()
    return init_S5SSM(
        H=width, P=states, Lambda_re_init=lam.real, Lambda_im_init=lam.imag, V=block_diag(*([v] * blocks)),
        Vinv=block_diag(*([vinv] * blocks)), C_init="trunc_standard_normal", discretization=discretization,
        dt_min=0.001, dt_max=0.1, conj_sym=conj_sym, clip_eigs=clip, bidirectional=False)


def flat(tree, prefix=""):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def nested(items):
    tree = {}
    for name, value in items.items():
        *path, last = name.split(".")
        at = tree
        for part in path:
            at = at.setdefault(part, {})
        at[last] = value
    return tree


def case(name, seed, batch, length, width, states, blocks, conj_sym, discretization, clip, activation):
    layer = SequenceLayer(
        ssm=system(width, states, blocks, conj_sym, discretization, clip), dropout=0.0, d_model=width,
        activation=activation, training=False, prenorm=True, batchnorm=False)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((batch, length, width)).astype(np.float32)
    cot = rng.standard_normal((batch, length, width)).astype(np.float32)
    weights = flax.core.unfreeze(layer.init(jax.random.PRNGKey(seed), jnp.asarray(x[0], jnp.float64))["params"])
    # Random where the peer begins with ones, zeros and equal numbers, so that nothing cancels.
    w = {k: np.asarray(v, np.float64) + 0.1 * rng.standard_normal(v.shape) for k, v in flat(weights)}
    w["seq.Lambda_re"][0] = 0.02  # a growing mode, which clipping stops
    w = {k: v.astype(np.float32) for k, v in w.items()}

    def loss(w, x):
        y = jax.vmap(lambda s: layer.apply({"params": nested(w)}, s))(x)
        return jnp.sum(y * cot), y

    def run(dtype):
        wd = {k: jnp.asarray(v, dtype) for k, v in w.items()}
        (value, y), (gw, gx) = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(wd, jnp.asarray(x, dtype))
        return value, y, gw, gx

    value, y, gw, gx = run(jnp.float64)
    _, y32, gw32, _ = run(jnp.float32)
    error = max(float(jnp.max(jnp.abs(gw32[k] - gw[k])) / jnp.max(jnp.abs(gw[k]))) for k in gw)
    tensors = {"in.x": x, "cot.y": cot, "out.y": y, "loss": jnp.reshape(value, (1,)), "gin.x": gx}
    tensors |= {"w." + k: v for k, v in w.items()} | {"gw." + k: v for k, v in gw.items()}
    tensors = {k: np.ascontiguousarray(np.asarray(v, np.float32)) for k, v in tensors.items()}
    file = args.out / f"{name}.safetensors"
    save_file(tensors, file)
    return {
        "file": file.name, "bytes": file.stat().st_size,
        "config": {
            "batch": batch, "seqlen": length, "d_model": width, "states": states, "blocks": blocks, "conj_sym": conj_sym,
            "discretization": discretization, "clip_eigs": clip, "activation": activation, "norm_eps": 1e-6},
        "reference": f"github lindermanlab/S5 @ {COMMIT} : s5/layers.py (SequenceLayer, prenorm, layernorm), jax {jax.__version__}, flax {flax.__version__}",
        "note": "y = x + gate(S5(norm(x))); complex weights are pairs on the last axis; linear layers are [in, out].",
        "f32_run_rel_err": {"y": float(jnp.max(jnp.abs(y32 - y)) / jnp.max(jnp.abs(y))), "grad": error},
        "cross_checks": None, "tensors": {k: list(v.shape) for k, v in sorted(tensors.items())},
    }


args.out.mkdir(parents=True, exist_ok=True)
index = [
    case("s5_layer_zoh_half1", 1, 2, 14, 6, 8, 2, True, "zoh", True, "half_glu1"),
    case("s5_layer_bilinear_full", 2, 1, 19, 5, 4, 1, False, "bilinear", False, "full_glu"),
    case("s5_layer_zoh_half2", 3, 1, 12, 4, 8, 1, True, "zoh", False, "half_glu2"),
]
(args.out / "INDEX.part.json").write_text(json.dumps(index, indent=1) + "\n")

"""Goldens of Mamba-3 blocks, computed by the authors' own module with random weights.

    python mamba3.py --peer CHECKOUT --out OUT

CHECKOUT is state-spaces/mamba at commit e9594ce1c732d97440f0332fdc43170a2294dbfa. Needs torch, einops, numpy and safetensors.
Writes OUT/*.safetensors and OUT/INDEX.part.json, whose entries belong into ../INDEX.json. The module's kernels need a GPU; in
their place stand the reference programs of the peer's own tests. All sources are read as text, with float32 and .float()
replaced by float64 and .double(), because they cast to single precision on the way; weights are stored in float32.
"""

import argparse
import ast
import json
import pathlib
import sys
import types

import numpy as np
import torch
from safetensors.numpy import save_file

parser = argparse.ArgumentParser()
parser.add_argument("--peer", type=pathlib.Path, required=True)
parser.add_argument("--out", type=pathlib.Path, required=True)
args = parser.parse_args()
COMMIT = "e9594ce1c732d97440f0332fdc43170a2294dbfa"
torch.set_default_dtype(torch.float64)


def source(path):
    return (args.peer / path).read_text().replace("torch.float32", "torch.float64").replace(".float()", ".double()")


def functions(path, *names):
    """Functions of a file of the peer, without importing what else the file needs."""
    scope = {}
    exec("import math\nimport torch\nimport torch.nn.functional as F\nfrom torch import Tensor\n"
         "from typing import Optional, Tuple\nfrom einops import rearrange, repeat\n", scope)
    for node in ast.parse(source(path)).body:
        if isinstance(node, ast.FunctionDef) and node.name in names:
            node.decorator_list = []
            exec(compile(ast.Module([node], []), path, "exec"), scope)
    return types.SimpleNamespace(**{n: scope[n] for n in names})


siso = functions("tests/ops/triton/test_mamba3_siso.py", "mamba3_siso_step_ref")
mimo = functions("tests/ops/tilelang/test_mamba3_mimo.py", "_pad_zeros", "mamba3_MIMO_chunk_ref", "apply_angle_dt_reference")
norms = functions("mamba_ssm/ops/triton/layernorm_gated.py", "rms_norm_ref")


class RMSNorm(torch.nn.Module):
    def __init__(self, hidden_size, eps=1e-5, group_size=None, norm_before_gate=True, **kwargs):
        super().__init__()
        self.eps, self.group_size, self.norm_before_gate = eps, group_size, norm_before_gate
        self.weight = torch.nn.Parameter(torch.ones(hidden_size))

    def forward(self, x, z=None):
        return norms.rms_norm_ref(x, self.weight, None, z=z, eps=self.eps, group_size=self.group_size, norm_before_gate=self.norm_before_gate)


def run_siso(Q, K, V, ADT, DT, Trap, Q_bias, K_bias, Angles, D, Z, chunk_size, **_):
    return siso.mamba3_siso_step_ref(Q, K, V, ADT, DT, Trap, Q_bias, K_bias, Angles, D, Z)[0]


def run_mimo(Q, K, V, ADT, DT, Trap, Q_bias, K_bias, MIMO_V, MIMO_Z, MIMO_Out, Angles, D, Z, chunk_size, rotary_dim_divisor, **kw):
    b, h, length = ADT.shape
    cs = torch.cumsum(ADT.reshape(b, h, length // chunk_size, chunk_size), -1)
    return mimo.mamba3_MIMO_chunk_ref(
        Q, K, V, Q_bias, K_bias, MIMO_V, MIMO_Out, Z, MIMO_Z, mimo.apply_angle_dt_reference(Angles, DT.transpose(1, 2)),
        cs.reshape(b, h, length), (cs[..., -1:] - cs).reshape(b, h, length), DT, Trap, D, chunk_size=chunk_size,
        rotary_dim_divisor=rotary_dim_divisor, dtype=torch.float64, contract_mimo_out=MIMO_Out is not None,
        fused_norm=kw["fuse_pregate_headwise_rms_norm"], outproj_norm_weight=kw["outproj_norm_weight"],
        outproj_norm_eps=kw["outproj_norm_eps"])[0]


def module(name, **members):
    m = types.ModuleType(name)
    m.__path__ = []
    m.__dict__.update(members)
    sys.modules[name] = m


for name in ["mamba_ssm", "mamba_ssm.ops", "mamba_ssm.ops.triton", "mamba_ssm.ops.tilelang", "mamba_ssm.ops.triton.mamba3",
             "mamba_ssm.ops.tilelang.mamba3"]:
    module(name)
module("mamba_ssm.ops.triton.layernorm_gated", RMSNorm=RMSNorm)
module("mamba_ssm.ops.tilelang.mamba3.mamba3_mimo", mamba3_mimo=run_mimo)
module("mamba_ssm.ops.triton.mamba3.mamba3_siso_combined", mamba3_siso_combined=run_siso)
module("mamba_ssm.ops.triton.mamba3.mamba3_mimo_rotary_step", apply_rotary_qk_inference_fwd=None)
peer = types.ModuleType("peer")
exec(compile(source("mamba_ssm/modules/mamba3.py"), "mamba3.py", "exec"), peer.__dict__)


def case(name, seed, batch, length, **config):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    block = peer.Mamba3(**config)
    w = {k: (p.detach().numpy() + 0.2 * rng.standard_normal(p.shape)).astype(np.float32) for k, p in block.named_parameters()}
    block.load_state_dict({k: torch.tensor(v, dtype=torch.float64) for k, v in w.items()})
    x32 = rng.standard_normal((batch, length, config["d_model"])).astype(np.float32)
    cot = rng.standard_normal(x32.shape).astype(np.float32)
    x = torch.tensor(x32, dtype=torch.float64, requires_grad=True)
    y = block(x)
    loss = (y * torch.tensor(cot, dtype=torch.float64)).sum()
    loss.backward()
    tensors = {"in.x": x32, "cot.y": cot, "out.y": y.detach().numpy(), "loss": loss.detach().numpy().reshape(1), "gin.x": x.grad.numpy()}
    tensors |= {"w." + k: v for k, v in w.items()} | {"gw." + k: p.grad.numpy() for k, p in block.named_parameters()}
    tensors = {k: np.ascontiguousarray(v, np.float32) for k, v in tensors.items()}
    file = args.out / f"{name}.safetensors"
    save_file(tensors, file)
    return {
        "file": file.name, "bytes": file.stat().st_size, "config": config | {"batch": batch, "seqlen": length},
        "reference": f"github state-spaces/mamba @ {COMMIT} : mamba_ssm/modules/mamba3.py (Mamba3), its kernels replaced by mamba3_siso_step_ref "
                     f"and mamba3_MIMO_chunk_ref of the peer's tests, in float64, torch {torch.__version__}",
        "note": "x (B,L,D). Neighbouring pairs are rotated without ranks, pairs (i, i+N/2) with them, as the kernels do.",
        "f32_run_rel_err": None, "cross_checks": None, "tensors": {k: list(v.shape) for k, v in sorted(tensors.items())},
    }


args.out.mkdir(parents=True, exist_ok=True)
index = [
    case("mamba3_siso_g2", 1, 2, 12, d_model=8, d_state=8, headdim=4, ngroups=2, chunk_size=4),
    case("mamba3_siso_norm", 2, 1, 9, d_model=6, d_state=4, headdim=6, rope_fraction=1.0, is_outproj_norm=True),
    case("mamba3_mimo_r3", 3, 1, 12, d_model=6, d_state=8, headdim=4, is_mimo=True, mimo_rank=3, chunk_size=4),
    case("mamba3_mimo_norm", 4, 2, 8, d_model=4, d_state=4, headdim=4, rope_fraction=1.0, is_mimo=True, mimo_rank=2, is_outproj_norm=True, chunk_size=4),
]
(args.out / "INDEX.part.json").write_text(json.dumps(index, indent=1) + "\n")

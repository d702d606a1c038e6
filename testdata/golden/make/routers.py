"""Numbers of routers, computed by the peers' own code with random weights.

    python routers.py OUT --llm-random DIR --blackmamba DIR --soft-moe DIR --mamba DIR

DIR is a checkout of llm-random/llm-random, Zyphra/BlackMamba, lucidrains/soft-moe-pytorch and state-spaces/mamba; needs torch,
transformers, safetensors, numpy, fancy_einsum, einops, opt_einsum and plotly. Writes OUT/*.safetensors and OUT/INDEX.part.json, whose entries belong
into ../INDEX.json; each says what it was made by.
"""

import argparse
import contextlib
import json
import pathlib
import subprocess
import sys
import types

import numpy as np
import torch
from safetensors.numpy import save_file

parser = argparse.ArgumentParser()
parser.add_argument("out", type=pathlib.Path)
parser.add_argument("--llm-random", type=pathlib.Path, required=True)
parser.add_argument("--blackmamba", type=pathlib.Path, required=True)
parser.add_argument("--soft-moe", type=pathlib.Path, required=True)
parser.add_argument("--mamba", type=pathlib.Path, required=True)
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
index = []


def commit(folder):
    return subprocess.run(["git", "-C", folder, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


def draw(module, scale=0.4):
    """Fills all parameters from a seed."""
    rng = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn(p.shape, generator=rng, dtype=torch.float64) * scale)


def record(name, config, reference, note, module, x, names, extra=None, forward=None):
    """Runs a layer on x forward and backward and writes it. names maps each tensor to the peer's parameter, or to a
    pair of it and a function that picks a part."""
    x = x.clone().requires_grad_()
    y = (forward or module)(x)
    cot = torch.randn(y.shape, generator=torch.Generator().manual_seed(8), dtype=torch.float64).to(y.dtype)
    loss = (y * cot).sum()
    loss.backward()
    tensors = {"in.x": x, "out.y": y, "cot.y": cot, "gin.x": x.grad, "loss": loss.reshape(1), **(extra or {})}
    params = dict(module.named_parameters()) | dict(module.named_buffers())
    for ours, source in names.items():
        theirs, pick = source if isinstance(source, tuple) else (source, lambda t: t)
        p = params[theirs]
        tensors["w." + ours] = pick(p.data)
        if p.grad is not None:
            tensors["gw." + ours] = pick(p.grad)
    arrays = {}
    for key, t in tensors.items():
        a = t.detach().numpy()
        arrays[key] = np.ascontiguousarray(a.astype(np.int64 if a.dtype.kind == "i" else np.float32))
    path = args.out / (name + ".safetensors")
    save_file(arrays, path)
    index.append({
        "file": path.name, "bytes": path.stat().st_size, "config": config, "reference": reference, "note": note,
        "f32_run_rel_err": None, "cross_checks": None, "tensors": {k: list(v.shape) for k, v in sorted(arrays.items())},
    })


def inputs(*shape, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64).to(dtype)


def deepseek():
    import transformers
    from transformers.models.deepseek_v3.configuration_deepseek_v3 import DeepseekV3Config
    from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3MoE

    for groups, kept in [(4, 2), (1, 1)]:
        e, f = 8, 12
        c = DeepseekV3Config(
            hidden_size=16, moe_intermediate_size=f, n_routed_experts=e, num_experts_per_tok=3, n_shared_experts=2,
            n_group=groups, topk_group=kept, norm_topk_prob=True, routed_scaling_factor=2.5, hidden_act="silu",
        )
        c._experts_implementation = "eager"
        m = DeepseekV3MoE(c)
        draw(m)
        m.gate.e_score_correction_bias.copy_(inputs(e, dtype=torch.float32) * 0.3)
        names = {"gate.weight": "gate.weight", "gate.e_score_correction_bias": "gate.e_score_correction_bias"}
        for i in range(e):
            names[f"experts.{i}.gate_proj.weight"] = ("experts.gate_up_proj", lambda t, i=i: t[i, :f])
            names[f"experts.{i}.up_proj.weight"] = ("experts.gate_up_proj", lambda t, i=i: t[i, f:])
            names[f"experts.{i}.down_proj.weight"] = ("experts.down_proj", lambda t, i=i: t[i])
        for part in ["gate", "up", "down"]:
            names[f"shared_experts.{part}_proj.weight"] = f"shared_experts.{part}_proj.weight"
        x = inputs(2, 9, 16, dtype=torch.float32)
        chosen = m.gate(x)[2].sort(-1)[0]
        record(
            f"deepseekv3_moe_e8_g{groups}",
            {"d_model": 16, "n_experts": e, "top_k": 3, "d_ff": f, "n_shared": 2, "n_group": groups, "topk_group": kept,
             "norm_topk_prob": True, "routed_scaling_factor": 2.5, "batch": 2, "seqlen": 9},
            f"huggingface/transformers {transformers.__version__}: models/deepseek_v3/modeling_deepseek_v3.py (DeepseekV3MoE)",
            "float32. out.selected is sorted by expert.", m, x, names, {"out.selected": chosen},
        )


def expert_choice():
    # Logging and checkpointing are of no matter here, and need services.
    sys.path.insert(0, str(args.llm_random))
    logging = types.ModuleType("lizrd.support.logging")
    logging.make_histogram = logging.get_current_logger = logging.prepare_tensor_for_logging = lambda *a, **k: None
    sys.modules["lizrd.support.logging"] = logging
    from research.conditional.moe_layers.expert_choice import ExpertChoiceFF
    from research.conditional.moe_layers.expert_types import ExpertFF

    for over in ["experts", "tokens"]:
        d, e, f, k = 12, 4, 16, 2
        experts = ExpertFF(d, e, f, "kaiming_uniform", 1.0)
        m = ExpertChoiceFF(d, e, k / e, "kaiming_uniform", 1.0, experts, softmax_over=over, use_layer_norm=False)
        if hasattr(m, "ln"):
            m.ln = torch.nn.Identity()
        m = m.double()
        draw(m)
        x = inputs(2, 8, d)
        _, tokens, values = m.gating(x, 2, 8)
        record(
            f"expertchoice_llmrandom_{over}",
            {"d_model": d, "n_experts": e, "expert_size": f, "top_k": k, "softmax_over": over, "batch": 2, "seqlen": 8},
            f"llm-random/llm-random @ {commit(args.llm_random)}: research/conditional/moe_layers/expert_choice.py, moe_gating.py (ExpertGating)",
            "without the layer norm behind the layer. out.token is [E, C].", m, x,
            {"gating.gate": "gating.gate", "expert_inner_function.lin1_weight": "expert_inner_function.lin1_weight",
             "expert_inner_function.lin2_weight": "expert_inner_function.lin2_weight"},
            {"out.token": tokens, "out.weight": values},
        )


@contextlib.contextmanager
def only(path, *stubs):
    """The modules of a flat folder."""
    before = set(sys.modules)
    sys.path.insert(0, str(path))
    for name, attributes in stubs:
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(attributes)
    yield
    sys.path.remove(str(path))
    for name in set(sys.modules) - before:
        if hasattr(sys.modules[name], "__file__") and str(path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def blackmamba():
    # utils holds fused kernels that are not used here.
    with only(args.blackmamba, ("utils", dict.fromkeys(["bias_gelu_impl", "init_method_normal", "scaled_init_method_normal"]))):
        from switch_mlp import SwitchMLP, sinkhorn

        d, e, f = 12, 4, 16
        config = types.SimpleNamespace(
            hidden_size=d, ffn_hidden_size=f, mamba_moe_layers=[], num_moe_experts=e, add_bias_linear=True, routing_mode="sinkhorn",
            gated_linear_unit=False, activation_func=torch.nn.functional.gelu, device="cpu",
        )
        m = SwitchMLP(config, layer_idx=1).double()
        draw(m)
        x = inputs(2, 9, d)
        logits = m.router(x).reshape(-1, e)
        names = {"router.weight": "router.weight", "router.bias": "router.bias"}
        for i in range(e):
            for layer in ["linear_fc1", "linear_fc2"]:
                for kind in ["weight", "bias"]:
                    names[f"local_experts.{i}.{layer}.{kind}"] = f"local_experts.{i}.{layer}.{kind}"
        record(
            "sinkhorn_blackmamba_e4",
            {"d_model": d, "n_experts": e, "d_ff": f, "sharpness": 2, "batch": 2, "seqlen": 9},
            f"Zyphra/BlackMamba @ {commit(args.blackmamba)}: switch_mlp.py (SwitchMLP, sinkhorn), mlp.py",
            "y is the layer as released, which routes by argmax; out.balanced is the function sinkhorn of the same logits with tol=1e-7.",
            m, x, names, {"out.balanced": sinkhorn(logits, tol=1e-7)},
        )


def soft_moe():
    sys.path.insert(0, str(args.soft_moe))
    from soft_moe_pytorch import SoftMoE

    d, e, s = 12, 3, 2
    m = SoftMoE(dim=d, num_experts=e, num_slots=s, expert_mult=2).double()
    m.norm = m.slot_norm = torch.nn.Identity()  # the equations alone
    draw(m)
    names = {"slot_embeds": ("slot_embeds", lambda t: t.reshape(e * s, d))}
    for i in range(e):
        for layer, ours in [(0, "fc1"), (3, "fc2")]:
            for kind in ["weight", "bias"]:
                names[f"experts.{i}.{ours}.{kind}"] = f"experts.experts.{i}.{layer}.{kind}"
    record(
        "softmoe_e3_s2", {"d_model": d, "n_experts": e, "slots": s, "d_ff": 2 * d, "batch": 1, "seqlen": 11},
        f"lucidrains/soft-moe-pytorch @ {commit(args.soft_moe)}: soft_moe_pytorch/soft_moe.py (SoftMoE)",
        "norms of inputs and slots replaced by the identity; one sequence, since the peer mixes each sequence alone.", m, inputs(1, 11, d), names,
    )


def inner_moe():
    # The mixer's slow path, with the scan in torch, which the repository keeps beside its kernels.
    for name in ["selective_scan_cuda", "causal_conv1d", "causal_conv1d_cuda"]:
        sys.modules[name] = types.ModuleType(name)
    sys.modules["causal_conv1d"].causal_conv1d_fn = sys.modules["causal_conv1d"].causal_conv1d_update = None
    for name in ["mamba_ssm", "mamba_ssm.ops", "mamba_ssm.ops.triton", "mamba_ssm.modules"]:
        package = types.ModuleType(name)
        package.__path__ = [str(args.mamba.joinpath(*name.split(".")))]
        sys.modules[name] = package
    for name, values in {
        "mamba_ssm.ops.triton.layer_norm": ["layer_norm_fn", "RMSNorm", "rms_norm_fn", "_layer_norm_fwd", "rms_norm_ref"],
        "mamba_ssm.ops.triton.selective_state_update": ["selective_state_update"],
    }.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(dict.fromkeys(values))
    from mamba_ssm.modules import mamba_simple
    from mamba_ssm.ops.selective_scan_interface import selective_scan_ref

    mamba_simple.selective_scan_fn = selective_scan_ref
    mamba_simple.causal_conv1d_fn = None
    from research.conditional.moe_layers._token_choice_old import ExpertReluOld, TokenChoiceFFOld
    from research.mamba.moe_in_mamba import MambaInProj

    for at in [["gate"], ["conv", "gate", "out"]]:
        d, inner, e, f, batch, length = 8, 16, 3, 5, 2, 9
        m = mamba_simple.Mamba(d_model=d, d_state=4, expand=2, use_fast_path=False)

        def experts(site, d_in, d_out):
            if site not in at:
                return torch.nn.Linear(d_in, d_out, bias=False)
            function = ExpertReluOld(dmodel=d_in, doutput=d_out, n_experts=e, expert_size=f, init_scale=1.0, init_type="kaiming_uniform")
            return TokenChoiceFFOld(
                dmodel=d_in, doutput=d_out, n_experts=e, expert_inner_function=function, capacity_factor=float(e),
                load_balancing_loss_weight=0.0, routing_top_k=1, init_scale=1.0, init_type="kaiming_uniform",
            )

        m.in_proj = MambaInProj(batch, experts("conv", d, inner), experts("gate", d, inner), torch.float64)
        if "out" in at:
            m.out_proj = experts("out", inner, d)
        with torch.no_grad():
            a_log = m.A_log.clone()
            m = m.double()
            draw(m)
            m.A_log.copy_(a_log)
        for layer in m.modules():
            if hasattr(layer, "forward_pass_cache"):
                layer.forward_pass_cache = {}
        record(
            "innermoe_llmrandom_" + "_".join(at),
            {"d_model": d, "d_inner": inner, "n_experts": e, "expert_size": f, "at": at, "batch": batch, "seqlen": length},
            f"llm-random/llm-random @ {commit(args.llm_random)}: research/mamba/moe_in_mamba.py, research/conditional/utils/model_utils.py "
            f"(get_mamba_layer), moe_layers/_token_choice_old.py; state-spaces/mamba @ {commit(args.mamba)}: modules/mamba_simple.py",
            "experts in the projections of a Mamba, as the authors of MoE-Mamba build them; capacity large enough that nothing is dropped.",
            m, inputs(batch, length, d), {name: name for name, _ in m.named_parameters()},
        )


deepseek()
expert_choice()
inner_moe()
blackmamba()
soft_moe()
(args.out / "INDEX.part.json").write_text(json.dumps(index, indent=1) + "\n")

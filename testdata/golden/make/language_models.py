"""Numbers of small language models, computed by transformers' own code with random weights.

    python language_models.py OUT [NAME ...]

Needs torch, transformers, safetensors and numpy. Writes OUT/*.safetensors, the configurations OUT/import/*/config.json, which
belong into ../../import, and OUT/INDEX.part.json, whose entries belong into ../INDEX.json; each says what it was made by.
Experts that transformers keeps stacked are written one by one, as published checkpoints have them.
"""

import argparse
import importlib
import inspect
import json
import pathlib

import numpy as np
import torch
import transformers
from safetensors.numpy import save_file

BATCH, LENGTH, PROMPT, GREEDY = 2, 12, 4, 24


def qwen3_next():
    return transformers.Qwen3NextConfig(
        vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2,
        head_dim=8, linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=4, linear_value_head_dim=6,
        linear_conv_kernel_dim=4, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=12, shared_expert_intermediate_size=10,
        norm_topk_prob=True, rms_norm_eps=1e-6, tie_word_embeddings=False, router_aux_loss_coef=0.0,
    )


def recurrent_gemma():
    return transformers.RecurrentGemmaConfig(
        vocab_size=32, hidden_size=16, intermediate_size=40, num_hidden_layers=4, num_attention_heads=2, num_key_value_heads=1,
        lru_width=16, attention_window_size=5, conv1d_width=4, logits_soft_cap=30.0, rms_norm_eps=1e-6,
        pad_token_id=None,  # the gradient of the padding token's embedding would be left out
    )


def zamba2():
    return transformers.Zamba2Config(
        vocab_size=32, hidden_size=16, num_hidden_layers=4, layers_block_type=["mamba", "hybrid", "hybrid", "hybrid"],
        mamba_d_state=8, mamba_d_conv=4, mamba_expand=2, mamba_ngroups=2, n_mamba_heads=4, mamba_headdim=8, chunk_size=4,
        intermediate_size=24, num_attention_heads=4, num_key_value_heads=4, num_mem_blocks=2, adapter_rank=3,
        use_shared_attention_adapter=False, use_mem_rope=True, pad_token_id=None,
    )


def zamba2_attention_adapter():  # as Zamba2-1.2B, but for the rotation
    return transformers.Zamba2Config(
        vocab_size=32, hidden_size=16, num_hidden_layers=4, layers_block_type=["hybrid", "mamba", "hybrid", "hybrid"],
        mamba_d_state=8, mamba_d_conv=4, mamba_expand=2, mamba_ngroups=1, n_mamba_heads=4, mamba_headdim=8, chunk_size=4,
        intermediate_size=24, num_attention_heads=4, num_key_value_heads=4, num_mem_blocks=2, adapter_rank=3,
        use_shared_attention_adapter=True, use_mem_rope=False, pad_token_id=None,
    )


def bamba():
    return transformers.BambaConfig(
        vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        attn_layer_indices=[1], mamba_n_heads=4, mamba_d_head=8, mamba_n_groups=2, mamba_d_state=8, mamba_d_conv=4, mamba_expand=2,
        mamba_chunk_size=4, mamba_proj_bias=True, attention_bias=True, mlp_bias=True, time_step_limit=(0.3, 0.9),
        rope_parameters={"rope_type": "default", "rope_theta": 1000.0}, pad_token_id=None,
    )


def granitemoehybrid():
    return transformers.GraniteMoeHybridConfig(
        vocab_size=32, hidden_size=16, intermediate_size=12, shared_intermediate_size=10, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, layer_types=["mamba", "attention", "mamba"], num_local_experts=4, num_experts_per_tok=2,
        mamba_n_heads=4, mamba_d_head=8, mamba_n_groups=2, mamba_d_state=8, mamba_d_conv=4, mamba_expand=2, mamba_chunk_size=4,
        embedding_multiplier=3.0, residual_multiplier=0.4, attention_multiplier=0.7, logits_scaling=2.5, position_embedding_type=None,
        tie_word_embeddings=True, rms_norm_eps=1e-5, output_router_logits=True, router_aux_loss_coef=0.01,
    )


def granitemoehybrid_dense():
    return transformers.GraniteMoeHybridConfig(
        vocab_size=32, hidden_size=16, shared_intermediate_size=20, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=1,
        layer_types=["attention", "mamba"], num_local_experts=0, num_experts_per_tok=0, mamba_n_heads=2, mamba_d_head=16, mamba_n_groups=1,
        mamba_d_state=8, mamba_d_conv=4, mamba_expand=2, mamba_chunk_size=4, mamba_conv_bias=False, attention_bias=True,
        embedding_multiplier=2.0, residual_multiplier=0.5, attention_multiplier=0.3, logits_scaling=1.5, position_embedding_type="rope",
        rope_parameters={"rope_type": "default", "rope_theta": 1000.0}, tie_word_embeddings=False, rms_norm_eps=1e-5,
    )


def nemotron_h():
    return transformers.NemotronHConfig(
        vocab_size=32, hidden_size=16, intermediate_size=24, layers_block_type=["mamba", "moe", "attention", "mlp", "mamba", "moe"],
        num_attention_heads=4, num_key_value_heads=2, head_dim=6, mamba_num_heads=4, mamba_head_dim=6, n_groups=2, ssm_state_size=8,
        conv_kernel=4, chunk_size=4, n_routed_experts=4, n_shared_experts=1, moe_intermediate_size=10,
        moe_shared_expert_intermediate_size=14, num_experts_per_tok=2, routed_scaling_factor=2.5, n_group=2, topk_group=1,
        norm_topk_prob=True, pad_token_id=None,
    )


def nemotron_h_latent():  # experts between two projections, and biases
    return transformers.NemotronHConfig(
        vocab_size=32, hidden_size=16, intermediate_size=24, layers_block_type=["mamba", "moe", "attention"],
        num_attention_heads=2, num_key_value_heads=2, head_dim=8, mamba_num_heads=2, mamba_head_dim=12, n_groups=1, ssm_state_size=8,
        conv_kernel=3, chunk_size=4, n_routed_experts=4, n_shared_experts=1, moe_intermediate_size=10, moe_latent_size=6,
        moe_shared_expert_intermediate_size=14, num_experts_per_tok=3, routed_scaling_factor=1.5, norm_topk_prob=False,
        use_bias=True, pad_token_id=None,
    )


def llama_scaled():  # one frequency of each kind: kept, mixed, divided
    return transformers.LlamaConfig(
        vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        rope_parameters={"rope_type": "llama3", "rope_theta": 100.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                         "original_max_position_embeddings": 40}, pad_token_id=None,
    )


def weights(model):
    """Parameters, and the bias that steers the choice of experts, which has no gradient."""
    yield from model.named_parameters()
    yield from ((n, b) for n, b in model.named_buffers() if n.endswith("e_score_correction_bias"))


def draw(model, seed):
    """Fills all parameters from a seed, each in the range that such a parameter has."""
    rng = torch.Generator().manual_seed(seed)
    for name, p in weights(model):
        x = torch.randn(p.shape, generator=rng, dtype=torch.float64)
        last = name.rsplit(".", 1)[-1]
        if last == "A_log":
            x = torch.log(1 + 7 * torch.rand(p.shape, generator=rng, dtype=torch.float64))
        elif last == "D" or "norm" in name and last == "weight":
            x = p.data.double() + 0.1 * x
        else:
            x = 0.3 * x
        p.data.copy_(x.float())  # the weights on file are float32


def on_disk(name, t, model_type):
    """The names of published checkpoints."""
    base, _, last = name.rpartition(".")
    if model_type == "granitemoehybrid" and ".block_sparse_moe." in name:  # stacked on file, too
        renamed = {"gate_up_proj": "input_linear.weight", "down_proj": "output_linear.weight", "weight": "layer.weight"}[last]
        yield (f"{base}." if last == "weight" else base.removesuffix("experts")) + renamed, t
        return
    if model_type == "nemotron_h" and name.startswith("model."):
        name = name.replace("model.", "backbone.", 1)
        base = name.rpartition(".")[0]
    if not base.endswith(".experts"):
        yield name, t
        return
    for e in range(t.shape[0]):
        if last == "gate_up_proj":
            gate, up = t[e].chunk(2)
            yield f"{base}.{e}.gate_proj.weight", gate
            yield f"{base}.{e}.up_proj.weight", up
        else:
            yield f"{base}.{e}.{last}.weight", t[e]


def in_float64(name):
    """The peer's own module with its casts to float32 made casts to float64: in float32 its recurrences lose more digits
    than the comparison allows."""
    module = importlib.import_module(f"transformers.models.{name}.modeling_{name}")
    source = inspect.getsource(module).replace("torch.float32", "torch.float64").replace(".float()", ".double()")
    exec(compile(source, module.__file__, "exec"), module.__dict__)
    return module


def well_conditioned(name, config, ids, limit=4e-6):
    """The model in float64 with the first weights for which the peer's float32 run agrees to limit: norms of small random
    recurrences can make any run in float32 lose most digits."""
    module = importlib.import_module(f"transformers.models.{name}.modeling_{name}")
    single = next(c for n, c in vars(module).items() if n.endswith("ForCausalLM"))(config).eval()
    double = next(c for n, c in vars(in_float64(name)).items() if n.endswith("ForCausalLM"))(config).double().eval()
    for seed in range(11, 200):
        draw(single, seed)
        double.load_state_dict(single.state_dict())
        with torch.no_grad():
            want = double(ids, use_cache=False).logits
            error = float((single(ids, use_cache=False).logits - want).abs().max() / want.abs().max())
        if error < limit:
            return double, seed, error
    raise SystemExit(f"{name}: no seed gives a well-conditioned model, the last is off by {error}")


def record(file, config, folder):
    name = config.model_type
    config._attn_implementation = "eager"
    config._experts_implementation = "eager"
    ids = torch.randint(0, config.vocab_size, (BATCH, LENGTH), generator=torch.Generator().manual_seed(12))
    balanced, config.output_router_logits = getattr(config, "output_router_logits", False), False
    model, seed, error = well_conditioned(name, config, ids)
    out = model(ids, use_cache=False, **({"output_router_logits": True} if balanced else {}))
    config.output_router_logits = balanced
    logits = out.logits
    entropy = torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, config.vocab_size), ids[:, 1:].reshape(-1))
    loss = entropy
    tensors = {}
    if balanced:
        tensors["out.aux_load_balancing_loss"] = out.aux_loss.reshape(1)
        loss = entropy + config.router_aux_loss_coef * out.aux_loss
    loss.backward()
    tensors |= {"in.input_ids": ids, "out.logits": logits, "loss": loss.reshape(1), "loss_ce": entropy.reshape(1)}
    tied = getattr(config, "tie_word_embeddings", False)
    for n, p in weights(model):
        if tied and n == "lm_head.weight":
            continue
        for disk, t in on_disk(n, p.data, name):
            tensors["w." + disk] = t
        for disk, t in on_disk(n, torch.zeros_like(p) if p.grad is None else p.grad, name):
            tensors["gw." + disk] = t
    prompt = ids[:1, :PROMPT]
    tensors["gen.prompt"] = prompt
    text, margin = prompt, float("inf")
    with torch.no_grad():
        for _ in range(GREEDY):
            top = model(text, use_cache=False).logits[0, -1].topk(2)
            margin = min(margin, float(top.values[0] - top.values[1]))
            text = torch.cat([text, top.indices[:1].reshape(1, 1)], dim=1)
    tensors["gen.greedy"] = text[:, PROMPT:]
    arrays = {}
    for key, t in tensors.items():
        a = t.detach().numpy()
        arrays[key] = np.ascontiguousarray(a.astype(np.int64 if a.dtype.kind == "i" else np.float32))
    path = folder / f"hf_{file}.safetensors"
    save_file(arrays, path)
    config.architectures = [type(model).__name__]
    config.save_pretrained(folder / "import" / f"hf_{file}")
    settings = {k: v for k, v in json.loads(config.to_json_string(use_diff=False), parse_constant=str).items() if v not in (None, [], {}) and k not in ("id2label", "label2id")}
    settings |= {"batch": BATCH, "seqlen": LENGTH, "train_trajectory": None, "greedy_min_margin": margin, "seed": seed}
    return {
        "file": path.name, "bytes": path.stat().st_size, "config": settings,
        "reference": f"huggingface/transformers {transformers.__version__}, torch {torch.__version__}: models/{name}/modeling_{name}.py, casts to float32 made casts to float64",
        "note": "loss = loss_ce and, where a model has one, its weighted balance loss; loss_ce = mean next-token cross entropy. gen.* = greedy continuation of the prompt by full forward each step.",
        "f32_run_rel_err": {"y": error}, "cross_checks": None, "tensors": {k: list(v.shape) for k, v in sorted(arrays.items())},
    }


MODELS = {f.__name__: f for f in (
    qwen3_next, recurrent_gemma, zamba2, zamba2_attention_adapter, bamba, granitemoehybrid, granitemoehybrid_dense, nemotron_h, nemotron_h_latent, llama_scaled)}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("names", nargs="*", choices=[[], *MODELS], default=[])
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    index = [record(n, MODELS[n](), args.out) for n in args.names or MODELS]
    (args.out / "INDEX.part.json").write_text(json.dumps(index, indent=1))
    for e in index:
        print(e["file"], e["bytes"], "margin", e["config"]["greedy_min_margin"], "seed", e["config"]["seed"], e["f32_run_rel_err"])

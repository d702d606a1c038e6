#!/usr/bin/env python3
"""Holds import and export against transformers itself.

    python scripts/transformers_roundtrip.py DIR [NAME...]

makes folders with random weights by transformers, larger than the committed goldens and with
other settings, in bfloat16 and in several files; has `go test ./importer -run Peers` import
them, compare the logits and export them again; and loads the exports with transformers, whose
logits must be those of the originals, bit by bit. Needs torch, transformers and safetensors.

Last run with torch 2.15.0, transformers 5.24.0: every name below.
"""
import os
import pathlib
import subprocess
import sys

import torch
import transformers
from safetensors.torch import load_file, save_file

VOCABULARY = 96
COMMON = dict(vocab_size=VOCABULARY, hidden_size=64)
HEADS = dict(num_attention_heads=4, num_key_value_heads=2)

# name: (class of the configuration, its settings, type of the weights)
MODELS = {
    "mamba": ("MambaConfig", dict(COMMON, num_hidden_layers=5, state_size=16, time_step_rank=7, use_bias=True), "bfloat16"),
    "mamba_untied": ("MambaConfig", dict(COMMON, num_hidden_layers=3, expand=3, conv_kernel=3, use_conv_bias=False, tie_word_embeddings=False), "float16"),
    "falcon_mamba": ("FalconMambaConfig", dict(COMMON, num_hidden_layers=4, tie_word_embeddings=False, mixer_rms_eps=1e-5), "bfloat16"),
    "mamba2": ("Mamba2Config", dict(COMMON, num_hidden_layers=4, num_heads=8, head_dim=16, n_groups=1, state_size=16, chunk_size=8, tie_word_embeddings=True), "float32"),
    "mamba2_groups": ("Mamba2Config", dict(COMMON, num_hidden_layers=4, num_heads=8, head_dim=16, n_groups=4, state_size=16, chunk_size=8, time_step_limit=[0.01, 0.5]), "bfloat16"),
    "llama": ("LlamaConfig", dict(COMMON, **HEADS, num_hidden_layers=4, intermediate_size=96, attention_bias=True, rope_parameters=dict(rope_type="default", rope_theta=5e5)), "bfloat16"),
    "llama_tied": ("LlamaConfig", dict(COMMON, **HEADS, num_hidden_layers=2, intermediate_size=96, tie_word_embeddings=True, head_dim=32), "float16"),
    "mixtral": ("MixtralConfig", dict(COMMON, **HEADS, num_hidden_layers=3, intermediate_size=80, num_local_experts=6, num_experts_per_tok=3, sliding_window=9), "bfloat16"),
    "qwen2_moe": ("Qwen2MoeConfig", dict(COMMON, **HEADS, num_hidden_layers=4, intermediate_size=96, moe_intermediate_size=40, shared_expert_intermediate_size=72, num_experts=6, num_experts_per_tok=2, mlp_only_layers=[1], norm_topk_prob=True), "bfloat16"),
    "jamba": ("JambaConfig", dict(COMMON, **HEADS, num_hidden_layers=8, intermediate_size=80, num_experts=4, num_experts_per_tok=2, mamba_d_state=8, mamba_dt_rank=5, attn_layer_period=4, attn_layer_offset=2, use_mamba_kernels=False), "bfloat16"),
    "jamba_dense": ("JambaConfig", dict(COMMON, **HEADS, num_hidden_layers=3, intermediate_size=80, num_experts=1, mamba_d_state=8, attn_layer_period=3, attn_layer_offset=1, use_mamba_kernels=False), "float32"),
    "gpt2": ("GPT2Config", dict(vocab_size=VOCABULARY, n_embd=64, n_layer=4, n_head=4, n_positions=40), "bfloat16"),
    "gpt_neox": ("GPTNeoXConfig", dict(COMMON, num_attention_heads=4, num_hidden_layers=4, intermediate_size=128, rope_parameters=dict(rope_type="default", rope_theta=5e3, partial_rotary_factor=0.5)), "float16"),
}


def logits(folder, ids):
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return model(ids).logits.float(), type(model).__name__


def make(folder, name):
    config_class, settings, dtype = MODELS[name]
    torch.manual_seed(len(name))
    config = getattr(transformers, config_class)(**settings)
    model = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():  # gains, biases and A of their first values would hide mistakes
        for p in model.parameters():
            p.add_(torch.randn_like(p) * (0.1 if p.dim() > 1 else 0.3))
    model.to(getattr(torch, dtype)).save_pretrained(folder, max_shard_size="40KB")
    ids = torch.randint(0, VOCABULARY, (2, 21))
    out, _ = logits(folder, ids)
    save_file({"in.input_ids": ids, "out.logits": out.contiguous()}, folder / "expected.safetensors")


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    names = sys.argv[2:] or list(MODELS)
    for name in names:
        make(root / name, name)
    module = pathlib.Path(__file__).resolve().parent.parent
    subprocess.run(["go", "test", "./importer", "-run", "Peers", "-count=1"], cwd=module, env=dict(os.environ, MOEZOO_PEERS=str(root)), check=True)
    failed = 0
    for name in names:
        expected = load_file(root / name / "expected.safetensors")
        got, kind = logits(root / name / "export", expected["in.input_ids"])
        worst = (got - expected["out.logits"]).abs().max().item()
        failed += worst != 0
        print(f"{name:15} {kind:25} largest logit {expected['out.logits'].abs().max():6.2f}, largest difference {worst:.3g}")
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Holds import and export against transformers itself.

    python scripts/transformers_roundtrip.py DIR [NAME...]

makes folders with random weights by transformers, larger than the committed goldens and with
other settings, in bfloat16 and in several files; has `go test ./importer -run Peers` import
them, compare the logits and export them again; and loads the exports with transformers, whose weights must
be those of the originals bit by bit, and whose logits the same to 1e-6: where tensors lie in memory decides which
kernels torch multiplies them with. Needs torch, transformers and safetensors.

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

MIXER = dict(mamba_n_heads=8, mamba_d_head=16, mamba_n_groups=2, mamba_d_state=16, mamba_chunk_size=8)
GRANITE = dict(shared_intermediate_size=56, embedding_multiplier=4.0, residual_multiplier=0.3, attention_multiplier=0.2, logits_scaling=3.0)
NEMOTRON = dict(intermediate_size=96, num_attention_heads=4, num_key_value_heads=2, head_dim=24, mamba_num_heads=6, mamba_head_dim=16, n_groups=2, ssm_state_size=16, chunk_size=8, n_routed_experts=8, num_experts_per_tok=3, moe_intermediate_size=40, moe_shared_expert_intermediate_size=72, routed_scaling_factor=2.5)
ZAMBA = dict(intermediate_size=96, num_attention_heads=4, num_key_value_heads=4, n_mamba_heads=8, mamba_d_state=16, chunk_size=8, adapter_rank=5)
QWEN = dict(intermediate_size=80, head_dim=32, linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=16, linear_value_head_dim=24, num_experts=6, num_experts_per_tok=2, moe_intermediate_size=40, shared_expert_intermediate_size=56)

# name: (class of the configuration, its settings, type of the weights)
MODELS = {
    "mamba": ("MambaConfig", dict(COMMON, num_hidden_layers=5, state_size=16, time_step_rank=7, use_bias=True), "bfloat16"),
    "mamba_untied": ("MambaConfig", dict(COMMON, num_hidden_layers=3, expand=3, conv_kernel=3, use_conv_bias=False, tie_word_embeddings=False), "float16"),
    "falcon_mamba": ("FalconMambaConfig", dict(COMMON, num_hidden_layers=4, tie_word_embeddings=False, mixer_rms_eps=1e-5), "bfloat16"),
    "mamba2": ("Mamba2Config", dict(COMMON, num_hidden_layers=4, num_heads=8, head_dim=16, n_groups=1, state_size=16, chunk_size=8, tie_word_embeddings=True), "float32"),
    "mamba2_groups": ("Mamba2Config", dict(COMMON, num_hidden_layers=4, num_heads=8, head_dim=16, n_groups=4, state_size=16, chunk_size=8, time_step_limit=[0.01, 0.5]), "bfloat16"),
    "llama": ("LlamaConfig", dict(COMMON, **HEADS, num_hidden_layers=4, intermediate_size=96, attention_bias=True, rope_parameters=dict(rope_type="default", rope_theta=5e5)), "bfloat16"),
    "llama_tied": ("LlamaConfig", dict(COMMON, **HEADS, num_hidden_layers=2, intermediate_size=96, tie_word_embeddings=True, head_dim=32), "float16"),
    "llama_linear": ("LlamaConfig", dict(COMMON, **HEADS, num_hidden_layers=2, intermediate_size=96, rope_parameters=dict(rope_type="linear", rope_theta=1e3, factor=4.0)), "bfloat16"),
    "llama_scaled": ("LlamaConfig", dict(COMMON, **HEADS, num_hidden_layers=3, intermediate_size=96, rope_parameters=dict(rope_type="llama3", rope_theta=5e2, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)), "bfloat16"),
    "mixtral": ("MixtralConfig", dict(COMMON, **HEADS, num_hidden_layers=3, intermediate_size=80, num_local_experts=6, num_experts_per_tok=3, sliding_window=9), "bfloat16"),
    "qwen2_moe": ("Qwen2MoeConfig", dict(COMMON, **HEADS, num_hidden_layers=4, intermediate_size=96, moe_intermediate_size=40, shared_expert_intermediate_size=72, num_experts=6, num_experts_per_tok=2, mlp_only_layers=[1], norm_topk_prob=True), "bfloat16"),
    "jamba": ("JambaConfig", dict(COMMON, **HEADS, num_hidden_layers=8, intermediate_size=80, num_experts=4, num_experts_per_tok=2, mamba_d_state=8, mamba_dt_rank=5, attn_layer_period=4, attn_layer_offset=2, use_mamba_kernels=False), "bfloat16"),
    "jamba_dense": ("JambaConfig", dict(COMMON, **HEADS, num_hidden_layers=3, intermediate_size=80, num_experts=1, mamba_d_state=8, attn_layer_period=3, attn_layer_offset=1, use_mamba_kernels=False), "float32"),
    "bamba": ("BambaConfig", dict(COMMON, **HEADS, **MIXER, num_hidden_layers=5, intermediate_size=96, attn_layer_indices=[1, 3], mlp_bias=True, time_step_limit=[0.01, 0.6]), "bfloat16"),
    "bamba_biased": ("BambaConfig", dict(COMMON, **HEADS, **MIXER, num_hidden_layers=2, intermediate_size=80, attn_layer_indices=[0], attention_bias=True, mamba_proj_bias=True, tie_word_embeddings=True), "float32"),
    "granite": ("GraniteMoeHybridConfig", dict(COMMON, **HEADS, **MIXER, **GRANITE, num_hidden_layers=5, layer_types=["mamba", "mamba", "attention", "mamba", "attention"], num_local_experts=6, num_experts_per_tok=3, intermediate_size=40, tie_word_embeddings=True), "bfloat16"),
    "granite_rope": ("GraniteMoeHybridConfig", dict(COMMON, **HEADS, **MIXER, **GRANITE, num_hidden_layers=2, layer_types=["attention", "mamba"], num_local_experts=0, position_embedding_type="rope", rope_parameters=dict(rope_type="default", rope_theta=3e5), attention_bias=True), "float16"),
    "granite_mamba": ("GraniteMoeHybridConfig", dict(COMMON, **HEADS, **MIXER, **GRANITE, num_hidden_layers=3, num_local_experts=4), "float32"),
    "nemotron_h": ("NemotronHConfig", dict(COMMON, **NEMOTRON, layers_block_type=["mamba", "moe", "mamba", "attention", "moe", "mlp", "mamba", "moe"], n_group=2, topk_group=1), "bfloat16"),
    "nemotron_h_latent": ("NemotronHConfig", dict(COMMON, **NEMOTRON, layers_block_type=["attention", "moe", "mamba"], moe_latent_size=24, norm_topk_prob=False, use_bias=True, time_step_min=0.1, tie_word_embeddings=True), "float32"),
    "nemotron_h_dense": ("NemotronHConfig", dict(COMMON, **NEMOTRON, layers_block_type=["mamba", "mlp", "attention", "mlp"], mlp_bias=True), "float16"),
    "zamba2": ("Zamba2Config", dict(COMMON, **ZAMBA, num_hidden_layers=7, layers_block_type=["mamba", "hybrid", "mamba", "hybrid", "hybrid", "mamba", "hybrid"], num_mem_blocks=2, mamba_ngroups=2), "bfloat16"),
    "zamba2_adapters": ("Zamba2Config", dict(COMMON, **ZAMBA, num_hidden_layers=5, layers_block_type=["hybrid", "mamba", "hybrid", "mamba", "hybrid"], num_mem_blocks=1, use_shared_attention_adapter=True, use_mem_rope=True, time_step_min=0.05), "float32"),
    "qwen3_next": ("Qwen3NextConfig", dict(COMMON, **HEADS, **QWEN, num_hidden_layers=4), "bfloat16"),
    "qwen3_next_mlp_only": ("Qwen3NextConfig", dict(COMMON, **HEADS, **QWEN, num_hidden_layers=3, layer_types=["full_attention", "linear_attention", "linear_attention"], mlp_only_layers=[1], norm_topk_prob=False, tie_word_embeddings=True), "float32"),
    "recurrent_gemma": ("RecurrentGemmaConfig", dict(COMMON, num_attention_heads=4, num_key_value_heads=1, num_hidden_layers=5, intermediate_size=96, attention_window_size=9, block_types=["recurrent", "attention"]), "bfloat16"),
    "recurrent_gemma_wide": ("RecurrentGemmaConfig", dict(COMMON, hidden_size=48, num_attention_heads=4, num_key_value_heads=4, num_hidden_layers=3, intermediate_size=80, lru_width=80, conv1d_width=3, attention_bias=True, logits_soft_cap=7.0), "float32"),
    "gpt2_gelu": ("GPT2Config", dict(vocab_size=VOCABULARY, n_embd=64, n_layer=2, n_head=4, n_positions=40, activation_function="gelu"), "float32"),
    "gpt2": ("GPT2Config", dict(vocab_size=VOCABULARY, n_embd=64, n_layer=4, n_head=4, n_positions=40), "bfloat16"),
    "gpt_neox": ("GPTNeoXConfig", dict(COMMON, num_attention_heads=4, num_hidden_layers=4, intermediate_size=128, rope_parameters=dict(rope_type="default", rope_theta=5e3, partial_rotary_factor=0.5)), "float16"),
}


def logits(folder, ids):
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return model(ids, use_cache=False).logits.float(), model


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
        _, original = logits(root / name, expected["in.input_ids"])
        got, model = logits(root / name / "export", expected["in.input_ids"])
        worst = (got - expected["out.logits"]).abs().max().item()
        own, theirs = model.state_dict(), original.state_dict()
        same = own.keys() == theirs.keys() and all(torch.equal(own[k], theirs[k]) for k in own)
        failed += not same or worst > 1e-6
        print(f"{name:20} {type(model).__name__:28} weights {'equal' if same else 'DIFFER'}, largest logit {expected['out.logits'].abs().max():6.2f}, largest difference {worst:.3g}")
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

"""Parameters of the published sizes of models, counted by transformers' own classes without allocating anything.

    python count_parameters.py

Needs torch and transformers. The settings are those of each checkpoint's config.json. zoo/sizes_test.go holds the output.
"""

import torch
import transformers as t

NANO = "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME"
KINDS = {"M": "mamba", "*": "attention", "-": "mlp", "E": "moe"}


def granite(layers, **settings):
    return t.GraniteMoeHybridConfig(
        vocab_size=100352, num_hidden_layers=layers, layer_types=["attention" if i % 10 == 5 else "mamba" for i in range(layers)],
        mamba_d_state=128, mamba_d_conv=4, mamba_expand=2, mamba_d_head=64, mamba_n_groups=1, tie_word_embeddings=True, **settings)


def zamba2(layers, hybrid, **settings):
    return t.Zamba2Config(
        vocab_size=32000, num_hidden_layers=layers, layers_block_type=["hybrid" if i in hybrid else "mamba" for i in range(layers)],
        num_attention_heads=32, num_key_value_heads=32, mamba_d_conv=4, mamba_expand=2, adapter_rank=128, **settings)


MODELS = {
    "mixtral-8x7b": lambda: t.MixtralConfig(
        vocab_size=32000, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8,
        num_local_experts=8, num_experts_per_tok=2),
    "jamba-v0.1": lambda: t.JambaConfig(
        vocab_size=65536, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8,
        num_experts=16, num_experts_per_tok=2, expert_layer_period=2, expert_layer_offset=1, attn_layer_period=8, attn_layer_offset=4,
        mamba_d_state=16, mamba_d_conv=4, mamba_expand=2, mamba_dt_rank=256, tie_word_embeddings=False),
    "bamba-9b": lambda: t.BambaConfig(
        vocab_size=128256, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8,
        attn_layer_indices=[9, 18, 27], mamba_n_heads=128, mamba_d_head=64, mamba_n_groups=1, mamba_d_state=128, mamba_d_conv=4,
        mamba_expand=2, tie_word_embeddings=False),
    "granite-4-h-small": lambda: granite(
        40, hidden_size=4096, intermediate_size=768, shared_intermediate_size=1536, num_attention_heads=32, num_key_value_heads=8,
        num_local_experts=72, num_experts_per_tok=10, mamba_n_heads=128),
    "granite-4-h-tiny": lambda: granite(
        40, hidden_size=1536, intermediate_size=512, shared_intermediate_size=1024, num_attention_heads=12, num_key_value_heads=4,
        num_local_experts=64, num_experts_per_tok=6, mamba_n_heads=48),
    "nemotron-h-8b": lambda: t.NemotronHConfig(
        vocab_size=131072, hidden_size=4096, intermediate_size=21504, layers_block_type=[KINDS[c] for c in "M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-"],
        num_attention_heads=32, num_key_value_heads=8, head_dim=128, mamba_num_heads=128, mamba_head_dim=64, n_groups=8, ssm_state_size=128,
        tie_word_embeddings=False),
    "nemotron-3-nano": lambda: t.NemotronHConfig(
        vocab_size=131072, hidden_size=2688, intermediate_size=1856, layers_block_type=[KINDS[c] for c in NANO], num_attention_heads=32,
        num_key_value_heads=2, head_dim=128, mamba_num_heads=64, mamba_head_dim=64, n_groups=8, ssm_state_size=128, n_routed_experts=128,
        n_shared_experts=1, moe_intermediate_size=1856, moe_shared_expert_intermediate_size=3712, num_experts_per_tok=6,
        routed_scaling_factor=2.5, tie_word_embeddings=False),
    "falcon-mamba-7b": lambda: t.FalconMambaConfig(
        vocab_size=65024, hidden_size=4096, num_hidden_layers=64, state_size=16, conv_kernel=4, intermediate_size=8192, expand=2,
        time_step_rank=256, use_bias=False, use_conv_bias=True, tie_word_embeddings=False),
    "qwen3-next-80b": lambda: t.Qwen3NextConfig(
        vocab_size=151936, hidden_size=2048, num_hidden_layers=48, num_attention_heads=16, num_key_value_heads=2, head_dim=256,
        linear_num_key_heads=16, linear_num_value_heads=32, linear_key_head_dim=128, linear_value_head_dim=128, num_experts=512,
        num_experts_per_tok=10, moe_intermediate_size=512, shared_expert_intermediate_size=512, tie_word_embeddings=False),
    "recurrentgemma-2b": lambda: t.RecurrentGemmaConfig(
        vocab_size=256000, hidden_size=2560, intermediate_size=15360, num_hidden_layers=26, num_attention_heads=10, num_key_value_heads=1,
        lru_width=2560),
    "zamba2-1.2b": lambda: zamba2(
        38, [5, 11, 17, 23, 29, 35], hidden_size=2048, intermediate_size=8192, mamba_d_state=128, n_mamba_heads=64, num_mem_blocks=1,
        use_shared_attention_adapter=True, use_mem_rope=True),
    "zamba2-2.7b": lambda: zamba2(
        54, [6, 12, 18, 24, 30, 36, 42, 47, 51], hidden_size=2560, intermediate_size=10240, mamba_d_state=64, n_mamba_heads=80, num_mem_blocks=2),
    "zamba2-7b": lambda: zamba2(
        81, [6, *range(11, 78, 6)], hidden_size=3584, intermediate_size=14336, mamba_d_state=64, mamba_ngroups=2, n_mamba_heads=112,
        num_mem_blocks=2, use_mem_rope=True),
    "mamba-130m": lambda: t.MambaConfig(vocab_size=50280, hidden_size=768, num_hidden_layers=24, state_size=16, use_bias=False),
}

if __name__ == "__main__":
    print("transformers", t.__version__)
    for name, config in MODELS.items():
        try:
            with torch.device("meta"):
                model = t.AutoModelForCausalLM.from_config(config())
            model.tie_weights()
            print(name, sum(p.numel() for p in model.parameters()))
        except Exception as e:  # an older or newer transformers
            print(name, "FAILED:", e)

package importer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moezoo/moezoo/zoo/recipe"
)

// qwen2MoE is transformers' Qwen2MoeForCausalLM. Layers without experts have a dense layer.
var qwen2MoE = Architecture{
	Type: "qwen2_moe", Class: "Qwen2MoeForCausalLM", Blocks: []string{"attention", "moe", "ff"},
	Recipe: func(c *Config) recipe.Recipe {
		d, layers := c.size("hidden_size"), c.layers("num_hidden_layers", "model.layers.")
		c.want("hidden_act", "silu", "swish")
		c.want("use_sliding_window", false)
		c.harmless("sliding_window", "max_window_layers") // of windows, which are off
		if c.has("layer_types") {
			c.words("layer_types", layers, "full_attention")
		}
		a := c.attention(d)
		a.Rope = c.rope(a.HeadDim, 10000, 1)
		if c.flag("qkv_bias", true) {
			a.Bias = recipe.QKVBias
		}
		moe := topK(c.size("num_experts"), c.size("num_experts_per_tok"), c.size("moe_intermediate_size"), c.flag("norm_topk_prob", false), c.number("router_aux_loss_coef", 0.001))
		moe.Shared = &recipe.Shared{Experts: 1, Width: c.size("shared_expert_intermediate_size"), Expert: moe.Expert, Gate: true}
		dense, step, without := swiglu(c.size("intermediate_size")), c.sizeOr("decoder_sparse_step", 1), c.integers("mlp_only_layers")
		r := c.llamaSkeleton(d, recipe.Norm{Kind: recipe.RMSNorm, Eps: c.number("rms_norm_eps", 1e-6)})
		for i := range layers {
			second := recipe.Block{MoE: moe}
			if slices.Contains(without, i) || (i+1)%step != 0 {
				second = dense
			} else {
				c.experts(moe.Experts, "num_experts", fmt.Sprintf("model.layers.%d.mlp.experts.", i))
			}
			r.Layers = append(r.Layers, layer(recipe.Block{Attention: a}), layer(second))
		}
		return r
	},
	Names: func(*recipe.Recipe) Names { return Qwen2MoELM },
	Config: func(r *recipe.Recipe) map[string]any {
		m, a, x := llamaKeys(r), block(r, attentionOf), block(r, moeOf)
		attentionKeys(m, a)
		delete(m, "head_dim") // the class has none
		m["qkv_bias"], m["use_sliding_window"] = a.Bias == recipe.QKVBias, false
		m["num_experts"], m["num_experts_per_tok"], m["moe_intermediate_size"] = x.Experts, x.TopK, x.Width
		m["norm_topk_prob"], m["router_aux_loss_coef"] = option(x.Router, "renormalize"), option(x.Router, "balance")
		if x.Shared != nil {
			m["shared_expert_intermediate_size"] = x.Shared.Experts * x.Shared.Width
		}
		m["intermediate_size"] = max(block(r, ffOf).Width, 1)
		without := []int{}
		for i, l := range all(r) {
			if l.Blocks[0].FF != nil {
				without = append(without, i/2)
			}
		}
		m["decoder_sparse_step"], m["mlp_only_layers"] = 1, without
		return m
	},
	Spare: rotaryBuffer,
}

// Qwen2MoE is transformers' Qwen2MoeSparseMoeBlock.
func Qwen2MoE(param string, experts int) (Source, bool) {
	if name, ok := strings.CutPrefix(param, "shared/"); ok {
		return transposed("shared_expert." + name + "_proj.weight"), true
	}
	if param == "shared_gate.weight" {
		return transposed("shared_expert_gate.weight"), true
	}
	return gatedMoE("gate.weight", "experts.%d.gate_proj.weight", "experts.%d.up_proj.weight", "experts.%d.down_proj.weight", param, experts)
}

// Qwen2MoELM is transformers' Qwen2MoeForCausalLM: as Llama but for the experts, and with
// biases of queries, keys and values.
func Qwen2MoELM(param string, experts int) (Source, bool) {
	i, rest, ok := layerOf(param)
	if !ok {
		return Llama(param, experts)
	}
	prefix := fmt.Sprintf("model.layers.%d.", i/2)
	if name, ok := strings.CutPrefix(rest, "attention/"); ok && strings.HasSuffix(name, ".bias") {
		return plain(prefix + "self_attn." + name), true
	}
	if name, ok := strings.CutPrefix(rest, "moe/"); ok {
		s, ok := Qwen2MoE(name, experts)
		return s.under(prefix + "mlp."), ok
	}
	return Llama(param, experts)
}

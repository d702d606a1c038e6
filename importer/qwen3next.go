package importer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moezoo/moezoo/zoo/recipe"
)

// qwen3Next is transformers' Qwen3NextForCausalLM: gated DeltaNet in most layers, attention
// with a gate in the others, experts with a shared one behind each. Its norms are around zero,
// but for the one inside of DeltaNet.
var qwen3Next = Architecture{
	Type: "qwen3_next", Class: "Qwen3NextForCausalLM", Blocks: []string{"gated_deltanet", "attention", "moe", "ff"},
	Recipe: func(c *Config) recipe.Recipe {
		d, layers := c.size("hidden_size"), c.layers("num_hidden_layers", "model.layers.")
		c.want("hidden_act", "silu", "swish")
		c.want("attention_bias", false)
		c.want("use_sliding_window", false)
		n := recipe.Norm{Kind: recipe.RMSNorm, Eps: c.number("rms_norm_eps", 1e-6), ZeroCentred: true}
		a := c.attention(d)
		if !c.has("head_dim") {
			a.HeadDim = 256
		}
		a.Rope, a.QKNorm, a.Gate = c.rope(a.HeadDim, 10000, 0.25), &n, true
		delta := &recipe.DeltaNet{
			KeyHeads: c.sizeOr("linear_num_key_heads", 16), ValueHeads: c.sizeOr("linear_num_value_heads", 32), KeyDim: c.sizeOr("linear_key_head_dim", 128),
			ValueDim: c.sizeOr("linear_value_head_dim", 128), DConv: c.sizeOr("linear_conv_kernel_dim", 4), NormEps: n.Eps,
		}
		kinds := c.kinds("layer_types", layers, map[string]string{"linear_attention": "delta", "full_attention": "attention"})
		interval := c.sizeOr("full_attention_interval", 4)
		second := c.qwen3NextMoE()
		r := c.llamaSkeleton(d, n)
		for i := range layers {
			first := recipe.Block{DeltaNet: delta}
			if kinds != nil && kinds[i] == "attention" || kinds == nil && (i+1)%interval == 0 {
				first = recipe.Block{Attention: a}
			}
			r.Layers = append(r.Layers, layer(first), layer(second(i)))
		}
		return r
	},
	Names: func(*recipe.Recipe) Names { return Qwen3Next },
	Config: func(r *recipe.Recipe) map[string]any {
		m, a, moe := llamaKeys(r), block(r, attentionOf), block(r, moeOf)
		x := block(r, func(b recipe.Block) *recipe.DeltaNet { return b.DeltaNet })
		attentionKeys(m, a)
		if a.Rope != nil {
			m["rope_parameters"] = map[string]any{"rope_type": "default", "rope_theta": a.Rope.Base, "partial_rotary_factor": a.Rope.Fraction}
			delete(m, "rope_theta")
		}
		if x.KeyHeads > 0 {
			m["linear_num_key_heads"], m["linear_num_value_heads"], m["linear_key_head_dim"] = x.KeyHeads, x.ValueHeads, x.KeyDim
			m["linear_value_head_dim"], m["linear_conv_kernel_dim"] = x.ValueDim, x.DConv
		}
		if m["num_experts"] = moe.Experts; moe.Experts > 0 {
			m["num_experts_per_tok"], m["moe_intermediate_size"] = moe.TopK, moe.Width
			m["norm_topk_prob"], m["router_aux_loss_coef"] = option(moe.Router, "renormalize"), option(moe.Router, "balance")
		}
		if moe.Shared != nil {
			m["shared_expert_intermediate_size"] = moe.Shared.Experts * moe.Shared.Width
		}
		m["intermediate_size"], m["decoder_sparse_step"] = max(block(r, ffOf).Width, 1), 1
		kinds, without := []string{}, []int{}
		for i, l := range all(r) {
			switch {
			case i%2 == 0:
				kinds = append(kinds, map[bool]string{true: "full_attention", false: "linear_attention"}[l.Blocks[0].Attention != nil])
			case l.Blocks[0].FF != nil:
				without = append(without, i/2)
			}
		}
		m["layer_types"], m["mlp_only_layers"] = kinds, without
		return m
	},
	Spare: func(tensor string) bool { return strings.HasPrefix(tensor, "mtp.") || rotaryBuffer(tensor) },
}

// qwen3NextMoE reads the second half of each layer: experts, or a dense layer.
func (c *Config) qwen3NextMoE() func(i int64) recipe.Block {
	experts, step, without := c.integer("num_experts", 512, 0), c.sizeOr("decoder_sparse_step", 1), c.integers("mlp_only_layers")
	dense := swiglu(c.sizeOr("intermediate_size", 5632))
	moe := topK(max(experts, 1), c.sizeOr("num_experts_per_tok", 10), c.sizeOr("moe_intermediate_size", 512), c.flag("norm_topk_prob", true), c.number("router_aux_loss_coef", 0.001))
	moe.Shared = &recipe.Shared{Experts: 1, Width: c.sizeOr("shared_expert_intermediate_size", 512), Expert: moe.Expert, Gate: true}
	counted := false
	return func(i int64) recipe.Block {
		if experts == 0 || slices.Contains(without, i) || (i+1)%step != 0 {
			return dense
		}
		if !counted {
			c.experts(experts, "num_experts", fmt.Sprintf("model.layers.%d.mlp.experts.", i))
			counted = true
		}
		return recipe.Block{MoE: moe}
	}
}

// Qwen3Next is transformers' Qwen3NextForCausalLM: each of its layers is two of ours, gated
// DeltaNet or attention, and experts.
func Qwen3Next(param string, experts int) (Source, bool) {
	i, rest, ok := layerOf(param)
	if !ok {
		return Llama(param, experts)
	}
	prefix := fmt.Sprintf("model.layers.%d.", i/2)
	part, name, _ := strings.Cut(rest, "/")
	switch part {
	case "gated_deltanet":
		if strings.HasSuffix(name, "proj.weight") || strings.HasPrefix(name, "in_proj") {
			return transposed(prefix + "linear_attn." + name), true
		}
		if name == "conv1d.weight" {
			return depthwise(prefix + "linear_attn." + name), true
		}
		return plain(prefix + "linear_attn." + strings.ReplaceAll(name, "/", ".")), true
	case "attention":
		if name, ok := strings.CutSuffix(name, "_norm/weight"); ok {
			return plain(prefix + "self_attn." + name + "_norm.weight"), true
		}
		return transposed(prefix + "self_attn." + name), true
	case "moe":
		s, ok := Qwen2MoE(name, experts)
		return s.under(prefix + "mlp."), ok
	}
	return Llama(param, experts)
}

package importer

import "github.com/moezoo/moezoo/zoo/recipe"

// mixtral is transformers' MixtralForCausalLM.
var mixtral = Architecture{
	Type: "mixtral", Class: "MixtralForCausalLM", Blocks: []string{"attention", "moe"},
	Recipe: func(c *Config) recipe.Recipe {
		d, layers := c.size("hidden_size"), c.layers("num_hidden_layers", "model.layers.")
		c.want("hidden_act", "silu", "swish")
		c.harmless("router_jitter_noise") // of training
		a := c.attention(d)
		a.Rope, a.Window = c.rope(a.HeadDim, 1e6, 1), c.integer("sliding_window", 0, 1)
		experts := c.experts(c.size("num_local_experts"), "num_local_experts", "model.layers.0.block_sparse_moe.experts.")
		moe := topK(experts, c.size("num_experts_per_tok"), c.size("intermediate_size"), true, c.number("router_aux_loss_coef", 0.001))
		r := c.llamaSkeleton(d, recipe.Norm{Kind: recipe.RMSNorm, Eps: c.number("rms_norm_eps", 1e-5)})
		for range layers {
			r.Layers = append(r.Layers, layer(recipe.Block{Attention: a}), layer(recipe.Block{MoE: moe}))
		}
		return r
	},
	Names: func(*recipe.Recipe) Names { return Llama },
	Config: func(r *recipe.Recipe) map[string]any {
		m, a, x := llamaKeys(r), block(r, attentionOf), block(r, moeOf)
		attentionKeys(m, a)
		if m["sliding_window"] = nil; a.Window > 0 {
			m["sliding_window"] = a.Window
		}
		m["num_local_experts"], m["num_experts_per_tok"], m["intermediate_size"] = x.Experts, x.TopK, x.Width
		m["router_aux_loss_coef"] = option(x.Router, "balance")
		return m
	},
	Spare: rotaryBuffer,
}

// MixtralMoE is transformers' MixtralSparseMoeBlock: w1 is the gate, w3 up, w2 down.
func MixtralMoE(param string, experts int) (Source, bool) {
	return gatedMoE("gate.weight", "experts.%d.w1.weight", "experts.%d.w3.weight", "experts.%d.w2.weight", param, experts)
}

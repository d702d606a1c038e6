package importer

import (
	"fmt"
	"strings"

	"github.com/moezoo/moezoo/zoo/recipe"
)

// jamba is transformers' JambaForCausalLM: attention in some layers, Mamba with norms inside
// in the others; experts in some, a dense layer in the others. It has no positions.
var jamba = Architecture{
	Type: "jamba", Class: "JambaForCausalLM", Blocks: []string{"mamba", "attention", "moe", "ff"},
	Recipe: func(c *Config) recipe.Recipe {
		d, layers := c.size("hidden_size"), c.layers("num_hidden_layers", "model.layers.")
		c.want("hidden_act", "silu", "swish")
		c.want("sliding_window")
		a, width, experts := c.attention(d), c.size("intermediate_size"), c.sizeOr("num_experts", 16)
		moe := topK(experts, c.sizeOr("num_experts_per_tok", 2), width, false, c.number("router_aux_loss_coef", 0.001))
		attends, routes := c.every("attn_layer", 8, 4), c.every("expert_layer", 2, 1)
		n := recipe.Norm{Kind: recipe.RMSNorm, Eps: c.number("rms_norm_eps", 1e-6)}
		r := c.llamaSkeleton(d, n)
		var mixer *recipe.Mamba
		for i := range layers {
			first, second := recipe.Block{Attention: a}, swiglu(width)
			if !attends(i) {
				if mixer == nil {
					mixer = c.jambaMixer(fmt.Sprintf("model.layers.%d.mamba.", i), d, n.Eps)
				}
				first = recipe.Block{Mamba: mixer}
			}
			if experts > 1 && routes(i) {
				second = recipe.Block{MoE: moe}
				c.experts(experts, "num_experts", fmt.Sprintf("model.layers.%d.feed_forward.experts.", i))
			}
			r.Layers = append(r.Layers, layer(first), layer(second))
		}
		if mixer == nil {
			c.harmless(jambaKeys.state, jambaKeys.conv, jambaKeys.rank, jambaKeys.expand, jambaKeys.bias, jambaKeys.convBias)
		}
		return r
	},
	Names: func(*recipe.Recipe) Names { return Jamba },
	Config: func(r *recipe.Recipe) map[string]any {
		m, a, moe := llamaKeys(r), block(r, attentionOf), block(r, moeOf)
		x := block(r, func(b recipe.Block) *recipe.Mamba { return b.Mamba })
		attentionKeys(m, a)
		delete(m, "head_dim") // the class has none
		m["mamba_d_state"], m["mamba_d_conv"], m["mamba_expand"], m["mamba_dt_rank"] = x.DState, x.DConv, x.Expand, x.DtRank
		m["mamba_conv_bias"], m["mamba_proj_bias"] = x.ConvBias, x.Bias
		m["num_experts"], m["num_experts_per_tok"], m["intermediate_size"] = max(moe.Experts, 1), max(moe.TopK, 1), max(moe.Width, block(r, ffOf).Width)
		if moe.Experts > 0 {
			m["router_aux_loss_coef"] = option(moe.Router, "balance")
		}
		var attends, routes []bool
		for i, l := range all(r) {
			if i%2 == 0 {
				attends = append(attends, l.Blocks[0].Attention != nil)
			} else {
				routes = append(routes, l.Blocks[0].MoE != nil)
			}
		}
		m["attn_layer_period"], m["attn_layer_offset"] = periodOf(attends)
		m["expert_layer_period"], m["expert_layer_offset"] = periodOf(routes)
		return m
	},
	Spare: rotaryBuffer,
}

var jambaKeys = mambaKeys{
	state: "mamba_d_state", conv: "mamba_d_conv", rank: "mamba_dt_rank", expand: "mamba_expand", bias: "mamba_proj_bias", convBias: "mamba_conv_bias",
}

func (c *Config) jambaMixer(prefix string, d int64, eps float64) *recipe.Mamba {
	x := c.mamba(prefix, d, jambaKeys)
	x.InnerNorm, x.NormEps = recipe.LearnedInnerNorm, eps
	return x
}

// every tells the layers i with i mod period = offset.
func (c *Config) every(key string, period, offset int64) func(i int64) bool {
	period, offset = c.sizeOr(key+"_period", period), c.integer(key+"_offset", offset, 0)
	if offset >= period {
		c.fail("%s_offset %d is not below %s_period %d", key, offset, key, period)
	}
	return func(i int64) bool { return i%period == offset }
}

// periodOf is a period and an offset that every reads as given; of those that are not
// regular, of the first two.
func periodOf(given []bool) (period, offset int) {
	var at []int
	for i, yes := range given {
		if yes {
			at = append(at, i)
		}
	}
	switch len(at) {
	case 0:
		return len(given) + 1, len(given)
	case 1:
		return len(given), at[0]
	}
	return at[1] - at[0], at[0]
}

// Jamba is transformers' JambaForCausalLM: each of its layers is two of ours, Mamba or
// attention, and a dense layer or experts.
func Jamba(param string, experts int) (Source, bool) {
	if param == "final_norm/weight" {
		return plain("model.final_layernorm.weight"), true
	}
	i, rest, ok := layerOf(param)
	if !ok {
		return Llama(param, experts)
	}
	prefix := fmt.Sprintf("model.layers.%d.", i/2)
	part, name, _ := strings.Cut(rest, "/")
	switch part {
	case "norm":
		return plain(prefix + []string{"input_layernorm", "pre_ff_layernorm"}[i%2] + ".weight"), true
	case "mamba":
		return mambaTensors(prefix+"mamba.", name)
	case "ff":
		return transposed(prefix + "feed_forward." + name + "_proj.weight"), true
	case "moe":
		s, ok := JambaMoE(name, experts)
		return s.under(prefix + "feed_forward."), ok
	}
	return Llama(param, experts)
}

// JambaMoE is transformers' JambaSparseMoeBlock.
func JambaMoE(param string, experts int) (Source, bool) {
	return gatedMoE("router.weight", "experts.%d.gate_proj.weight", "experts.%d.up_proj.weight", "experts.%d.down_proj.weight", param, experts)
}

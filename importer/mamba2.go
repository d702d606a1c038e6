package importer

import (
	"math"

	"github.com/moezoo/moezoo/zoo/recipe"
)

// mamba2 is transformers' Mamba2ForCausalLM. Its gated norm is taken per group, as its
// checkpoints were trained; transformers before 5 normalised over all groups together.
var mamba2 = Architecture{
	Type: "mamba2", Class: "Mamba2ForCausalLM", Blocks: []string{"mamba2"},
	Recipe: func(c *Config) recipe.Recipe {
		d, layers := c.size("hidden_size"), c.layers("num_hidden_layers", "backbone.layers.")
		c.want("hidden_act", "silu", "swish")
		c.harmless("norm_before_gate")                                                                  // no version of the class reads it: the gate comes first
		c.harmless("time_step_rank", "time_step_min", "time_step_max", "time_step_floor", "chunk_size") // first weights and pace
		x := c.mamba2("backbone.layers.0.mixer.", d, mamba2Keys{
			heads: "num_heads", headDim: "head_dim", groups: "n_groups", state: "state_size", conv: "conv_kernel", expand: "expand",
			limit: "time_step_limit", bias: "use_bias", convBias: "use_conv_bias", defGroups: 8,
		})
		c.agrees("intermediate_size", x.Heads*x.HeadDim, "backbone.layers.0.mixer.out_proj.weight")
		x.NormEps = c.number("layer_norm_epsilon", 1e-5)
		return c.mambaSkeleton(d, layers, recipe.Block{Mamba2: x})
	},
	Names: func(*recipe.Recipe) Names { return Mamba(mambaTables...) },
	Config: func(r *recipe.Recipe) map[string]any {
		x := block(r, func(b recipe.Block) *recipe.Mamba2 { return b.Mamba2 })
		m := map[string]any{
			"vocab_size": r.Vocabulary.Size, "hidden_size": r.DModel, "num_hidden_layers": len(all(r)), "layer_norm_epsilon": r.Norm.Eps,
			"state_size": x.DState, "conv_kernel": x.DConv, "num_heads": x.Heads, "head_dim": x.HeadDim, "n_groups": x.Groups,
			"expand": x.Heads * x.HeadDim / r.DModel, "use_bias": x.Bias, "use_conv_bias": x.ConvBias,
			"hidden_act": "silu", "residual_in_fp32": true, "tie_word_embeddings": r.Head.Tied,
		}
		if limit := limitOf(x); limit != nil {
			m["time_step_limit"] = limit
		}
		return m
	},
}

// mamba2Keys are the names of a mixer's settings; empty ones do not exist.
type mamba2Keys struct {
	heads, headDim, groups, state, conv, expand, limit, bias, convBias string
	defGroups                                                          int64 // when the key is absent
}

// mamba2 reads a mixer off its tensors; only the number of groups leaves no trace there.
func (c *Config) mamba2(prefix string, d int64, k mamba2Keys) *recipe.Mamba2 {
	inner, heads := c.shape(prefix+"out_proj.weight", 2)[1], c.shape(prefix+"A_log", 1)[0]
	conv, skip := c.shape(prefix+"conv1d.weight", 3), c.shape(prefix+"D", 1)[0]
	m := &recipe.Mamba2{Heads: heads, DConv: conv[2], NormEps: 1e-5, GatedNorm: recipe.GroupedNorm, Skip: recipe.PerHead, Groups: c.sizeOr(k.groups, k.defGroups)}
	m.HeadDim = c.multiple(inner, heads, "the inner width", "the number of heads")
	m.DState = c.multiple(conv[0]-inner, 2*m.Groups, "what the convolution has beside the inner width,", "twice the groups")
	m.Bias, m.ConvBias = c.hasTensor(prefix+"in_proj.bias"), c.hasTensor(prefix+"conv1d.bias")
	if skip != heads {
		m.Skip = recipe.PerChannel
	}
	c.agrees(k.heads, heads, prefix+"A_log")
	c.agrees(k.headDim, m.HeadDim, prefix+"out_proj.weight")
	c.agrees(k.state, m.DState, prefix+"conv1d.weight")
	c.agrees(k.conv, m.DConv, prefix+"conv1d.weight")
	if k.expand != "" && c.has(k.expand) && c.sizeOr(k.expand, 1)*d != inner {
		c.fail("%s is %d, but out_proj has %d columns for %d of the model", k.expand, c.sizeOr(k.expand, 1), inner, d)
	}
	m.DtLimit = c.limits(k.limit)
	c.agreesFlag(k.bias, m.Bias, prefix+"in_proj.bias")
	c.agreesFlag(k.convBias, m.ConvBias, prefix+"conv1d.bias")
	return m
}

// limits reads the bounds of step sizes; 0 to infinity is none.
func (c *Config) limits(key string) [2]float64 {
	v := c.get(key)
	if v == nil {
		return [2]float64{}
	}
	list, ok := v.([]any)
	if !ok || len(list) != 2 {
		c.fail("%s is %s, want two numbers", key, spelled(v))
		return [2]float64{}
	}
	low, okLow := float(list[0])
	high, okHigh := float(list[1])
	if !okLow || !okHigh || !(low >= 0) || !(high > low) || math.IsInf(low, 0) {
		c.fail("%s is %s, want two numbers, the first from 0 and below the second", key, spelled(v))
	}
	if low == 0 && math.IsInf(high, 1) {
		return [2]float64{}
	}
	return [2]float64{low, high}
}

// limitOf writes what limits reads, nil for none. JSON has no infinity: it is spelled as
// transformers 5 does.
func limitOf(x *recipe.Mamba2) any {
	switch high := x.DtLimit[1]; {
	case x.DtLimit == [2]float64{}:
		return nil
	case math.IsInf(high, 1):
		return []any{x.DtLimit[0], map[string]any{"__float__": "Infinity"}}
	default:
		return []any{x.DtLimit[0], high}
	}
}

// noLeast stands for no least step size where a class takes the logarithm of time_step_min to
// draw first weights: no step differs because of it.
const noLeast = 1e-30

// leastStep reads the least step size, to which some classes hold instead of to a limit.
func (c *Config) leastStep(key string) [2]float64 {
	switch low := c.number(key, 0.001); {
	case low < 0:
		c.fail("%s is %v, want 0 or more", key, low)
	case low > noLeast:
		return [2]float64{low, math.Inf(1)}
	}
	return [2]float64{}
}

// leastStepOf writes what leastStep reads.
func leastStepOf(x *recipe.Mamba2) float64 { return max(x.DtLimit[0], noLeast) }

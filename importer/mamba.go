package importer

import (
	"fmt"
	"strings"

	"github.com/moezoo/moezoo/zoo/recipe"
)

// mamba is transformers' MambaForCausalLM.
var mamba = Architecture{
	Type: "mamba", Class: "MambaForCausalLM", Blocks: []string{"mamba"},
	Recipe: func(c *Config) recipe.Recipe { return c.mambaModel(recipe.NoInnerNorm) },
	Names:  func(*recipe.Recipe) Names { return Mamba(mambaTables...) },
	Config: mambaConfig,
}

// falconMamba is transformers' FalconMambaForCausalLM: Mamba with norms inside that have no
// gain. Where its expand and intermediate_size differ, the latter holds.
var falconMamba = Architecture{
	Type: "falcon_mamba", Class: "FalconMambaForCausalLM", Blocks: []string{"mamba"},
	Recipe: func(c *Config) recipe.Recipe { return c.mambaModel(recipe.FixedInnerNorm) },
	Names:  func(*recipe.Recipe) Names { return Mamba(mambaTables...) },
	Config: func(r *recipe.Recipe) map[string]any {
		m := mambaConfig(r)
		m["mixer_rms_eps"] = block(r, func(b recipe.Block) *recipe.Mamba { return b.Mamba }).NormEps
		return m
	},
}

// mambaTables are the names of the embedding: transformers' own, and that of files which it
// took over from state-spaces as they were.
var mambaTables = []string{"embeddings", "embedding"}

func (c *Config) mambaModel(inner recipe.InnerNorm) recipe.Recipe {
	d, layers := c.size("hidden_size"), c.layers("num_hidden_layers", "backbone.layers.")
	c.want("hidden_act", "silu", "swish")
	c.harmless("time_step_min", "time_step_max", "time_step_floor") // of the first weights
	x := c.mamba("backbone.layers.0.mixer.", d, mambaKeys{
		state: "state_size", conv: "conv_kernel", rank: "time_step_rank", expand: "expand", inner: "intermediate_size", innerToo: "d_inner",
		bias: "use_bias", convBias: "use_conv_bias",
	})
	if inner != recipe.NoInnerNorm {
		x.InnerNorm, x.NormEps = inner, c.number("mixer_rms_eps", 1e-6)
	}
	return c.mambaSkeleton(d, layers, recipe.Block{Mamba: x})
}

// stateSpacesWords are settings that transformers' Mamba models took over from state-spaces
// beside their own. They say the same again, or something that every Mamba there has.
func (c *Config) stateSpacesWords(d, layers int64) {
	for key, size := range map[string]int64{"d_model": d, "n_layer": layers} {
		if c.has(key) && c.sizeOr(key, size) != size {
			c.fail("%s is %s, but other settings say %d", key, spelled(c.get(key)), size)
		}
	}
	c.want("rms_norm", true)
	c.want("ssm_cfg", map[string]any{})
	c.harmless("fused_add_norm", "pad_vocab_size_multiple")
}

// mambaSkeleton is a stack of one kind of mixer between an embedding and a head, as the
// Mamba family has it in transformers.
func (c *Config) mambaSkeleton(d, layers int64, mixer recipe.Block) recipe.Recipe {
	n := recipe.Norm{Kind: recipe.RMSNorm, Eps: c.number("layer_norm_epsilon", 1e-5)}
	c.stateSpacesWords(d, layers)
	table := "backbone." + mambaTables[0] + ".weight"
	if old := "backbone." + mambaTables[1] + ".weight"; c.hasTensor(old) {
		table = old
	}
	r := recipe.Recipe{Vocabulary: c.vocabulary("vocab_size", table), DModel: d, Norm: n, FinalNorm: &n}
	r.Head.Tied = c.tied("tie_word_embeddings", mixer.Mamba != nil, table, "lm_head.weight")
	for range layers {
		r.Layers = append(r.Layers, layer(mixer))
	}
	return r
}

// mambaKeys are the names of a mixer's settings; empty ones do not exist.
type mambaKeys struct{ state, conv, rank, expand, inner, innerToo, bias, convBias string }

// mamba reads a mixer off its tensors. Settings may repeat what they say.
func (c *Config) mamba(prefix string, d int64, k mambaKeys) *recipe.Mamba {
	inner, state := c.shape(prefix+"out_proj.weight", 2)[1], c.shape(prefix+"A_log", 2)[1]
	conv, rank := c.shape(prefix+"conv1d.weight", 3)[2], c.shape(prefix+"dt_proj.weight", 2)[1]
	m := &recipe.Mamba{DState: state, DConv: conv, DtRank: rank, Expand: c.multiple(inner, d, "the inner width", "the model's"), InnerNorm: recipe.NoInnerNorm, NormEps: 1e-6}
	m.Bias, m.ConvBias = c.hasTensor(prefix+"in_proj.bias"), c.hasTensor(prefix+"conv1d.bias")
	c.agrees(k.state, state, prefix+"A_log")
	c.agrees(k.conv, conv, prefix+"conv1d.weight")
	if c.get(k.rank) != "auto" {
		c.agrees(k.rank, rank, prefix+"dt_proj.weight")
	}
	c.agrees(k.innerToo, inner, prefix+"out_proj.weight")
	switch {
	case k.inner != "" && c.has(k.inner):
		c.agrees(k.inner, inner, prefix+"out_proj.weight")
		c.harmless(k.expand)
	default:
		c.agrees(k.expand, m.Expand, prefix+"out_proj.weight")
	}
	c.agreesFlag(k.bias, m.Bias, prefix+"in_proj.bias")
	c.agreesFlag(k.convBias, m.ConvBias, prefix+"conv1d.bias")
	return m
}

func mambaConfig(r *recipe.Recipe) map[string]any {
	x := block(r, func(b recipe.Block) *recipe.Mamba { return b.Mamba })
	return map[string]any{
		"vocab_size": r.Vocabulary.Size, "hidden_size": r.DModel, "num_hidden_layers": len(all(r)), "layer_norm_epsilon": r.Norm.Eps,
		"state_size": x.DState, "conv_kernel": x.DConv, "expand": x.Expand, "intermediate_size": x.Expand * r.DModel, "time_step_rank": x.DtRank,
		"use_bias": x.Bias, "use_conv_bias": x.ConvBias, "hidden_act": "silu", "residual_in_fp32": true, "tie_word_embeddings": r.Head.Tied,
	}
}

// mambaTensors are the tensors of Mamba and Mamba-2 mixers, the same in all projects.
func mambaTensors(prefix, name string) (Source, bool) {
	switch name {
	case "in_proj.weight", "x_proj.weight", "dt_proj.weight", "out_proj.weight":
		return transposed(prefix + name), true
	case "conv1d.weight":
		return depthwise(prefix + name), true
	case "conv1d.bias", "dt_proj.bias", "A_log", "D", "in_proj.bias", "out_proj.bias", "dt_bias", "norm.weight", "dt_layernorm.weight", "b_layernorm.weight", "c_layernorm.weight":
		return plain(prefix + name), true
	}
	return Source{}, false
}

// MambaBlock is a mixer alone, as state-spaces/mamba's module calls it.
func MambaBlock(param string, _ int) (Source, bool) { return mambaTensors("", param) }

// Mamba is the language model of state-spaces/mamba, whose embedding is called
// "embedding", and of transformers' MambaForCausalLM, which calls it "embeddings"; of
// several names, the one that exists.
func Mamba(embedding ...string) Names {
	return func(param string, _ int) (Source, bool) {
		switch param {
		case "embedding/weight":
			s := plain(embedding...).under("backbone.")
			for i := range s.Names {
				s.Names[i] += ".weight"
			}
			return s, true
		case "final_norm/weight":
			return plain("backbone.norm_f.weight"), true
		case "head/weight":
			return transposed("lm_head.weight"), true
		}
		i, rest, ok := layerOf(param)
		switch {
		case !ok:
			return Source{}, false
		case rest == "norm/weight":
			return plain(fmt.Sprintf("backbone.layers.%d.norm.weight", i)), true
		}
		return mambaTensors(fmt.Sprintf("backbone.layers.%d.mixer.", i), strings.TrimPrefix(strings.TrimPrefix(rest, "mamba/"), "mamba2/"))
	}
}

// MambaMLP is the language model of state-spaces/mamba with a gated feed-forward layer behind
// every mixer: two layers here. Its gate is the second half of fc1's outputs.
func MambaMLP(param string, _ int) (Source, bool) {
	i, rest, ok := layerOf(param)
	if !ok || i%2 == 0 {
		return Mamba("embedding")(strings.Replace(param, fmt.Sprintf("layers.%d/", i), fmt.Sprintf("layers.%d/", i/2), 1), 0)
	}
	prefix := fmt.Sprintf("backbone.layers.%d.", i/2)
	switch rest {
	case "norm/weight":
		return plain(prefix + "norm2.weight"), true
	case "ff/up":
		return transposed(prefix+"mlp.fc1.weight").part(1, 0, 2), true
	case "ff/gate":
		return transposed(prefix+"mlp.fc1.weight").part(1, 1, 2), true
	case "ff/down":
		return transposed(prefix + "mlp.fc2.weight"), true
	}
	return Source{}, false
}

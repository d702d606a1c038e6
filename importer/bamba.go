package importer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moezoo/moezoo/zoo/recipe"
)

// bamba is transformers' BambaForCausalLM: attention in some layers, Mamba-2 in the others, a
// dense layer behind each. Half of each head is rotated, whatever the configuration says.
var bamba = Architecture{
	Type: "bamba", Class: "BambaForCausalLM", Blocks: []string{"mamba2", "attention", "ff"},
	Recipe: func(c *Config) recipe.Recipe {
		d, layers := c.size("hidden_size"), c.layers("num_hidden_layers", "model.layers.")
		c.want("hidden_act", "silu", "swish")
		if z := c.number("z_loss_coefficient", 0); z != 0 {
			c.note("the z-loss on logits of training, z_loss_coefficient %v, is not kept", z)
		}
		a := c.attention(d)
		if a.Rope = c.rope(a.HeadDim, 10000, 0.5); a.Rope.Fraction != 0.5 {
			c.fail("partial_rotary_factor is %v, but bamba rotates half of each head", a.Rope.Fraction)
		}
		c.agrees("attn_rotary_emb", a.HeadDim/2, "self_attn.q_proj.weight")
		if c.flag("attention_bias", false) {
			a.Bias = recipe.AllBias
		}
		ff := swiglu(c.size("intermediate_size"))
		ff.FF.Bias = c.flag("mlp_bias", false)
		n := recipe.Norm{Kind: recipe.RMSNorm, Eps: c.number("rms_norm_eps", 1e-5)}
		attends := c.integers("attn_layer_indices")
		mixer := c.hybridMixer("mamba.", d, layers, n.Eps, func(i int64) bool { return !slices.Contains(attends, i) })
		r := c.llamaSkeleton(d, n)
		for i := range layers {
			first := recipe.Block{Attention: a}
			if !slices.Contains(attends, i) {
				first = recipe.Block{Mamba2: mixer}
			}
			r.Layers = append(r.Layers, layer(first), layer(ff))
		}
		return r
	},
	Names: func(*recipe.Recipe) Names { return Bamba },
	Config: func(r *recipe.Recipe) map[string]any {
		m, a, ff := llamaKeys(r), block(r, attentionOf), block(r, ffOf)
		attentionKeys(m, a)
		delete(m, "head_dim") // the class has none
		hybridMixerKeys(m, block(r, mamba2Of), r.DModel)
		m["intermediate_size"], m["attention_bias"], m["mlp_bias"] = ff.Width, a.Bias == recipe.AllBias, ff.Bias || option(ff.Expert, "bias") == true
		attends := []int{}
		for i, l := range all(r) {
			if l.Blocks[0].Attention != nil {
				attends = append(attends, i/2)
			}
		}
		m["attn_layer_indices"] = attends
		return m
	},
	Spare: rotaryBuffer,
}

func mamba2Of(b recipe.Block) *recipe.Mamba2 { return b.Mamba2 }

// hybridKeys are the settings of a mixer in Bamba and Granite.
var hybridKeys = mamba2Keys{
	heads: "mamba_n_heads", headDim: "mamba_d_head", groups: "mamba_n_groups", state: "mamba_d_state", conv: "mamba_d_conv", expand: "mamba_expand",
	limit: "time_step_limit", bias: "mamba_proj_bias", convBias: "mamba_conv_bias", defGroups: 1,
}

// hybridMixer is the mixer of those of a hybrid's layers that have one; nil when none has.
func (c *Config) hybridMixer(name string, d, layers int64, eps float64, mixes func(i int64) bool) *recipe.Mamba2 {
	c.harmless("mamba_chunk_size") // pace
	keys := hybridKeys
	if c.get(keys.headDim) == "auto" {
		keys.headDim = ""
	}
	for i := range layers {
		if mixes(i) {
			x := c.mamba2(fmt.Sprintf("model.layers.%d.%s", i, name), d, keys)
			x.NormEps = eps
			return x
		}
	}
	c.harmless(keys.heads, keys.headDim, keys.groups, keys.state, keys.conv, keys.expand, keys.limit, keys.bias, keys.convBias)
	return nil
}

// hybridMixerKeys write what hybridMixer reads. A model without a mixer says one head, since the
// classes check their number all the same.
func hybridMixerKeys(m map[string]any, x *recipe.Mamba2, d int64) {
	if x.Heads == 0 {
		m["mamba_n_heads"] = 1
		return
	}
	m["mamba_n_heads"], m["mamba_d_head"], m["mamba_n_groups"], m["mamba_d_state"], m["mamba_d_conv"] = x.Heads, x.HeadDim, x.Groups, x.DState, x.DConv
	m["mamba_expand"], m["mamba_proj_bias"], m["mamba_conv_bias"] = x.Heads*x.HeadDim/d, x.Bias, x.ConvBias
	if limit := limitOf(x); limit != nil {
		m["time_step_limit"] = limit
	}
}

// Bamba is transformers' BambaForCausalLM: each of its layers is two of ours, Mamba-2 or
// attention, and a dense layer.
func Bamba(param string, experts int) (Source, bool) {
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
		return plain(prefix + []string{"input_layernorm", "pre_ff_layernorm"}[i%2] + "." + name), true
	case "mamba2":
		return mambaTensors(prefix+"mamba.", name)
	case "attention":
		return linear(prefix + "self_attn." + name), true
	case "ff":
		return gatedFF(prefix+"feed_forward.", name)
	}
	return Source{}, false
}

// linear is a linear layer's weight or bias.
func linear(name string) Source {
	if strings.HasSuffix(name, ".bias") {
		return plain(name)
	}
	return transposed(name)
}

// gatedFF is one tensor of a SwiGLU layer, whose projections are called gate_proj, up_proj
// and down_proj.
func gatedFF(prefix, name string) (Source, bool) {
	projection, bias := strings.CutSuffix(name, "_bias")
	kind := ".weight"
	if bias {
		kind = ".bias"
	}
	return linear(prefix + projection + "_proj" + kind), projection == "gate" || projection == "up" || projection == "down"
}

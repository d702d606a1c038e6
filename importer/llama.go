package importer

import (
	"fmt"
	"strings"

	"github.com/moezoo/moezoo/zoo/recipe"
)

// llama is transformers' LlamaForCausalLM.
var llama = Architecture{
	Type: "llama", Class: "LlamaForCausalLM", Blocks: []string{"attention", "ff"},
	Recipe: func(c *Config) recipe.Recipe {
		d, layers := c.size("hidden_size"), c.layers("num_hidden_layers", "model.layers.")
		c.want("hidden_act", "silu", "swish")
		c.want("mlp_bias", false)
		a := c.attention(d)
		a.Rope = c.rope(a.HeadDim, 10000, 1)
		if c.flag("attention_bias", false) {
			a.Bias = recipe.AllBias
		}
		r := c.llamaSkeleton(d, recipe.Norm{Kind: recipe.RMSNorm, Eps: c.number("rms_norm_eps", 1e-6)})
		for range layers {
			r.Layers = append(r.Layers, layer(recipe.Block{Attention: a}), layer(swiglu(c.size("intermediate_size"))))
		}
		return r
	},
	Names: func(*recipe.Recipe) Names { return Llama },
	Config: func(r *recipe.Recipe) map[string]any {
		m, a := llamaKeys(r), block(r, attentionOf)
		attentionKeys(m, a)
		m["intermediate_size"], m["attention_bias"] = block(r, ffOf).Width, a.Bias == recipe.AllBias
		return m
	},
	Spare: rotaryBuffer,
}

// rotaryBuffer tells the tables of rotations, which older files hold.
func rotaryBuffer(tensor string) bool { return strings.HasSuffix(tensor, ".rotary_emb.inv_freq") }

// Llama is transformers' LlamaForCausalLM and MixtralForCausalLM: each of their layers is
// two of ours, attention and feed-forward or experts.
func Llama(param string, experts int) (Source, bool) {
	switch param {
	case "embedding/weight":
		return plain("model.embed_tokens.weight"), true
	case "final_norm/weight":
		return plain("model.norm.weight"), true
	case "head/weight":
		return transposed("lm_head.weight"), true
	}
	i, rest, ok := layerOf(param)
	if !ok {
		return Source{}, false
	}
	prefix := fmt.Sprintf("model.layers.%d.", i/2)
	if rest == "norm/weight" {
		return plain(prefix + []string{"input_layernorm", "post_attention_layernorm"}[i%2] + ".weight"), true
	}
	if name, ok := strings.CutPrefix(rest, "attention/"); ok {
		return transposed(prefix + "self_attn." + name), true
	}
	if name, ok := strings.CutPrefix(rest, "ff/"); ok {
		return transposed(prefix + "mlp." + name + "_proj.weight"), true
	}
	s, ok := MixtralMoE(strings.TrimPrefix(rest, "moe/"), experts)
	return s.under(prefix + "block_sparse_moe."), ok
}

package importer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moezoo/moezoo/zoo/recipe"
)

// gpt2 is transformers' GPT2LMHeadModel. GPT-2 itself was published without the prefix
// "transformer." of its tensors.
var gpt2 = Architecture{
	Type: "gpt2", Class: "GPT2LMHeadModel", Blocks: []string{"attention", "ff"},
	Recipe: func(c *Config) recipe.Recipe {
		prefix := "transformer."
		if c.hasTensor("wte.weight") {
			prefix = ""
		}
		d, layers, heads := c.size("n_embd"), c.layers("n_layer", prefix+"h."), c.size("n_head")
		c.want("scale_attn_weights", true)
		c.want("scale_attn_by_inverse_layer_idx", false)
		c.harmless("reorder_and_upcast_attn", "n_ctx") // precision; the same as n_positions
		form := map[string]string{"gelu_new": "tanh", "gelu_pytorch_tanh": "tanh", "gelu": "exact"}[c.word("activation_function", "gelu_new", "gelu_new", "gelu_pytorch_tanh", "gelu")]
		n := recipe.Norm{Kind: recipe.LayerNorm, Eps: c.number("layer_norm_epsilon", 1e-5), Bias: true}
		r := recipe.Recipe{Vocabulary: c.vocabulary("vocab_size", prefix+"wte.weight"), DModel: d, Norm: n, FinalNorm: &n, Positions: c.size("n_positions")}
		if rows := c.shape(prefix+"wpe.weight", 2)[0]; rows != r.Positions {
			c.fail("n_positions is %d, but %swpe.weight has %d rows", r.Positions, prefix, rows)
		}
		r.Head.Tied = c.tied("tie_word_embeddings", true, prefix+"wte.weight", "lm_head.weight")
		a := &recipe.Attention{Heads: heads, KVHeads: heads, HeadDim: c.multiple(d, heads, "n_embd", "n_head"), Bias: recipe.AllBias}
		ff := &recipe.FF{Expert: use("gelu", map[string]any{"form": form}), Width: c.sizeOr("n_inner", 4*d), Bias: true}
		for range layers {
			r.Layers = append(r.Layers, layer(recipe.Block{Attention: a}), layer(recipe.Block{FF: ff}))
		}
		return r
	},
	Names: func(*recipe.Recipe) Names {
		return func(param string, experts int) (Source, bool) {
			s, ok := GPT2(param, experts)
			for _, name := range s.Names {
				s.Names = append(s.Names, strings.TrimPrefix(name, "transformer."))
			}
			return s, ok
		}
	},
	Config: func(r *recipe.Recipe) map[string]any {
		ff, activation := block(r, ffOf), "gelu_new"
		if option(ff.Expert, "form") != "tanh" {
			activation = "gelu"
		}
		return map[string]any{
			"vocab_size": r.Vocabulary.Size, "n_embd": r.DModel, "n_layer": len(all(r)) / 2, "n_head": block(r, attentionOf).Heads, "n_inner": ff.Width,
			"n_positions": r.Positions, "layer_norm_epsilon": r.Norm.Eps, "activation_function": activation, "tie_word_embeddings": r.Head.Tied,
		}
	},
	// Masks, which older files hold.
	Spare: func(tensor string) bool {
		return strings.HasSuffix(tensor, ".attn.bias") || strings.HasSuffix(tensor, ".attn.masked_bias")
	},
}

// GPT2 is transformers' GPT2LMHeadModel: each of its layers is two of ours. Its matrices lie
// [in, out], and queries, keys and values side by side.
func GPT2(param string, _ int) (Source, bool) {
	switch param {
	case "embedding/weight":
		return plain("transformer.wte.weight"), true
	case "embedding/position":
		return plain("transformer.wpe.weight"), true
	case "head/weight":
		return transposed("lm_head.weight"), true
	}
	if name, ok := strings.CutPrefix(param, "final_norm/"); ok {
		return plain("transformer.ln_f." + name), true
	}
	i, rest, ok := layerOf(param)
	if !ok {
		return Source{}, false
	}
	prefix := fmt.Sprintf("transformer.h.%d.", i/2)
	if name, ok := strings.CutPrefix(rest, "norm/"); ok {
		return plain(fmt.Sprintf("%sln_%d.%s", prefix, 1+i%2, name)), true
	}
	if name, ok := strings.CutPrefix(rest, "ff/"); ok {
		tensor, ok := map[string]string{"w1": "c_fc.weight", "b1": "c_fc.bias", "w2": "c_proj.weight", "b2": "c_proj.bias"}[name]
		return plain(prefix + "mlp." + tensor), ok
	}
	projection, kind, ok := strings.Cut(strings.TrimPrefix(rest, "attention/"), ".")
	if projection == "o_proj" {
		return plain(prefix + "attn.c_proj." + kind), ok
	}
	share := slices.Index([]string{"q_proj", "k_proj", "v_proj"}, projection)
	return plain(prefix+"attn.c_attn."+kind).part(1, share, 3), ok && share >= 0
}

package importer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moezoo/moezoo/zoo/recipe"
)

// gptNeoX is transformers' GPTNeoXForCausalLM with attention and dense layer in parallel,
// as Pythia has it.
var gptNeoX = Architecture{
	Type: "gpt_neox", Class: "GPTNeoXForCausalLM", Blocks: []string{"attention", "ff"},
	Recipe: func(c *Config) recipe.Recipe {
		d, layers, heads := c.size("hidden_size"), c.layers("num_hidden_layers", "gpt_neox.layers."), c.size("num_attention_heads")
		c.want("hidden_act", "gelu")
		c.want("use_parallel_residual", true)
		n := recipe.Norm{Kind: recipe.LayerNorm, Eps: c.number("layer_norm_eps", 1e-5), Bias: true}
		const table = "gpt_neox.embed_in.weight"
		r := recipe.Recipe{Vocabulary: c.vocabulary("vocab_size", table), DModel: d, Norm: n, FinalNorm: &n}
		r.Head.Tied = c.tied("tie_word_embeddings", false, table, "embed_out.weight")
		a := &recipe.Attention{Heads: heads, KVHeads: heads, HeadDim: c.multiple(d, heads, "hidden_size", "num_attention_heads"), Bias: recipe.NoBias}
		a.Rope = c.rope(a.HeadDim, c.number("rotary_emb_base", 10000), c.number("rotary_pct", 0.25))
		if c.flag("attention_bias", true) {
			a.Bias = recipe.AllBias
		}
		ff := &recipe.FF{Expert: recipe.Use{Name: "gelu"}, Width: c.size("intermediate_size"), Bias: true}
		for range layers {
			r.Layers = append(r.Layers, recipe.Layer{Blocks: []recipe.Block{{Attention: a}, {FF: ff}}})
		}
		return r
	},
	Names: func(r *recipe.Recipe) Names { return GPTNeoX(int(block(r, attentionOf).Heads)) },
	Config: func(r *recipe.Recipe) map[string]any {
		a := block(r, attentionOf)
		m := map[string]any{
			"vocab_size": r.Vocabulary.Size, "hidden_size": r.DModel, "num_hidden_layers": len(all(r)), "num_attention_heads": a.Heads,
			"intermediate_size": block(r, ffOf).Width, "layer_norm_eps": r.Norm.Eps, "hidden_act": "gelu", "use_parallel_residual": true,
			"attention_bias": a.Bias == recipe.AllBias, "tie_word_embeddings": r.Head.Tied,
		}
		if a.Rope != nil {
			m["rotary_emb_base"], m["rotary_pct"] = a.Rope.Base, a.Rope.Fraction
		}
		return m
	},
	// Masks and tables of rotations, which older files hold.
	Spare: func(tensor string) bool {
		return rotaryBuffer(tensor) || strings.HasSuffix(tensor, ".attention.bias") || strings.HasSuffix(tensor, ".attention.masked_bias")
	},
}

// GPTNeoX is transformers' GPTNeoXForCausalLM with parallel blocks, whose queries, keys and
// values lie side by side head by head.
func GPTNeoX(heads int) Names {
	return func(param string, _ int) (Source, bool) {
		switch param {
		case "embedding/weight":
			return plain("gpt_neox.embed_in.weight"), true
		case "head/weight":
			return transposed("embed_out.weight"), true
		}
		if name, ok := strings.CutPrefix(param, "final_norm/"); ok {
			return plain("gpt_neox.final_layer_norm." + name), true
		}
		i, rest, ok := layerOf(param)
		if !ok {
			return Source{}, false
		}
		prefix := fmt.Sprintf("gpt_neox.layers.%d.", i)
		part, name, _ := strings.Cut(rest, "/")
		switch part {
		case "norm_attention":
			return plain(prefix + "input_layernorm." + name), true
		case "norm_ff":
			return plain(prefix + "post_attention_layernorm." + name), true
		case "ff":
			tensor, ok := map[string]string{"w1": "dense_h_to_4h.weight", "b1": "dense_h_to_4h.bias", "w2": "dense_4h_to_h.weight", "b2": "dense_4h_to_h.bias"}[name]
			return transposed(prefix + "mlp." + tensor), ok
		}
		projection, kind, ok := strings.Cut(name, ".")
		if projection == "o_proj" {
			return transposed(prefix + "attention.dense." + kind), ok
		}
		share := slices.Index([]string{"q_proj", "k_proj", "v_proj"}, projection)
		return transposed(prefix+"attention.query_key_value."+kind).part(heads, share, 3), ok && share >= 0
	}
}

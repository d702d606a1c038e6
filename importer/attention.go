package importer

import (
	"math"

	"github.com/moezoo/moezoo/zoo/recipe"
)

// attention reads the heads of a layer in transformers' words.
func (c *Config) attention(d int64) *recipe.Attention {
	heads := c.size("num_attention_heads")
	a := &recipe.Attention{Heads: heads, KVHeads: c.sizeOr("num_key_value_heads", heads), Bias: recipe.NoBias}
	if c.has("head_dim") {
		a.HeadDim = c.size("head_dim")
	} else {
		a.HeadDim = c.multiple(d, heads, "hidden_size", "num_attention_heads")
	}
	c.multiple(heads, a.KVHeads, "num_attention_heads", "num_key_value_heads")
	return a
}

// rope reads how heads are rotated, in the words of old and new transformers.
func (c *Config) rope(headDim int64, base, fraction float64) *recipe.Rope {
	c.flatten("rope_parameters")
	c.flatten("rope_scaling")
	for _, key := range []string{"rope_parameters.rope_type", "rope_scaling.rope_type", "rope_scaling.type"} {
		c.want(key, "default")
	}
	base = c.number("rope_theta", c.number("rope_parameters.rope_theta", base))
	fraction = c.number("partial_rotary_factor", c.number("rope_parameters.partial_rotary_factor", fraction))
	dims := math.Floor(fraction * float64(headDim))
	return &recipe.Rope{Base: base, Fraction: dims / float64(headDim)}
}

// attentionKeys write what attention and rope read; a model without attention has one head.
func attentionKeys(m map[string]any, a *recipe.Attention) {
	if a.Heads == 0 {
		m["num_attention_heads"], m["num_key_value_heads"] = 1, 1
		return
	}
	m["num_attention_heads"], m["num_key_value_heads"], m["head_dim"] = a.Heads, a.KVHeads, a.HeadDim
	if a.Rope != nil {
		m["rope_theta"] = a.Rope.Base
	}
}

func attentionOf(b recipe.Block) *recipe.Attention { return b.Attention }
func ffOf(b recipe.Block) *recipe.FF               { return b.FF }
func moeOf(b recipe.Block) *recipe.MoE             { return b.MoE }

// llamaSkeleton is an embedding, a final norm and a head in the words of transformers'
// newer models.
func (c *Config) llamaSkeleton(d int64, norm recipe.Norm) recipe.Recipe {
	const table = "model.embed_tokens.weight"
	r := recipe.Recipe{Vocabulary: c.vocabulary("vocab_size", table), DModel: d, Norm: norm, FinalNorm: &norm, Balance: recipe.AllLayersMean}
	r.Head.Tied = c.tied("tie_word_embeddings", false, table, "lm_head.weight")
	return r
}

// llamaKeys write what llamaSkeleton reads.
func llamaKeys(r *recipe.Recipe) map[string]any {
	return map[string]any{
		"vocab_size": r.Vocabulary.Size, "hidden_size": r.DModel, "num_hidden_layers": len(all(r)) / 2, "rms_norm_eps": r.Norm.Eps,
		"hidden_act": "silu", "tie_word_embeddings": r.Head.Tied,
	}
}

// use is a plugin's variant with options.
func use(name string, options map[string]any) recipe.Use {
	return recipe.Use{Name: name, Options: marshal(options)}
}

// swiglu is a dense layer of the common kind.
func swiglu(width int64) recipe.Block {
	return recipe.Block{FF: &recipe.FF{Expert: recipe.Use{Name: "swiglu"}, Width: width}}
}

// topK is a Mixture-of-Experts layer of the common kind.
func topK(experts, k, width int64, renormalize bool, balance float64) *recipe.MoE {
	return &recipe.MoE{
		Router: use("topk", map[string]any{"renormalize": renormalize, "balance": balance}), Experts: experts, TopK: k, Expert: recipe.Use{Name: "swiglu"}, Width: width,
		RoutedScale: 1, CapacityScope: recipe.PerBatch, Overflow: recipe.ZeroOverflow,
	}
}

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
	r := &recipe.Rope{Base: base}
	for _, where := range []string{"rope_parameters", "rope_scaling"} {
		c.flatten(where)
		r.Base, fraction = c.number(where+".rope_theta", r.Base), c.number(where+".partial_rotary_factor", fraction)
		if x := c.ropeScaling(where + "."); x != nil {
			r.Scaling = x
		}
	}
	r.Base = c.number("rope_theta", r.Base)
	dims := math.Floor(c.number("partial_rotary_factor", fraction) * float64(headDim))
	r.Fraction = dims / float64(headDim)
	return r
}

// ropeScaling reads how rotations are slowed down, nil for not at all.
func (c *Config) ropeScaling(prefix string) *recipe.RopeScaling {
	old := c.word(prefix+"type", "default", "default", "linear", "llama3")
	switch kind := c.word(prefix+"rope_type", old, "default", "linear", "llama3"); kind {
	case "linear":
		return &recipe.RopeScaling{Kind: recipe.LinearScaling, Factor: c.number(prefix+"factor", 0)}
	case "llama3":
		return &recipe.RopeScaling{
			Kind: recipe.Llama3Scaling, Factor: c.number(prefix+"factor", 0), Low: c.number(prefix+"low_freq_factor", 0), High: c.number(prefix+"high_freq_factor", 0),
			Original: c.size(prefix + "original_max_position_embeddings"),
		}
	}
	return nil
}

// ropeKeys write what rope reads.
func ropeKeys(m map[string]any, r *recipe.Rope) {
	if r == nil {
		return
	}
	m["rope_theta"] = r.Base
	switch x := r.Scaling; {
	case x == nil:
	case x.Kind == recipe.LinearScaling:
		m["rope_scaling"] = map[string]any{"rope_type": "linear", "factor": x.Factor}
	default:
		m["rope_scaling"] = map[string]any{
			"rope_type": "llama3", "factor": x.Factor, "low_freq_factor": x.Low, "high_freq_factor": x.High, "original_max_position_embeddings": x.Original,
		}
	}
}

// attentionKeys write what attention and rope read; a model without attention has one head.
func attentionKeys(m map[string]any, a *recipe.Attention) {
	if a.Heads == 0 {
		m["num_attention_heads"], m["num_key_value_heads"] = 1, 1
		return
	}
	m["num_attention_heads"], m["num_key_value_heads"], m["head_dim"] = a.Heads, a.KVHeads, a.HeadDim
	ropeKeys(m, a.Rope)
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

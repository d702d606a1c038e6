package importer

import (
	"fmt"
	"math"
	"strings"

	"github.com/moezoo/moezoo/half"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// recurrentGemma is transformers' RecurrentGemmaForCausalLM, Griffin: recurrent blocks and
// attention with a window in turns, a gated dense layer behind each. The embedding is scaled
// by the root of its width, which is rounded to bfloat16 first.
var recurrentGemma = Architecture{
	Type: "recurrent_gemma", Class: "RecurrentGemmaForCausalLM", Blocks: []string{"rglru", "attention", "ff"},
	Recipe: func(c *Config) recipe.Recipe {
		d, layers := c.size("hidden_size"), c.layers("num_hidden_layers", "model.layers.")
		c.want("hidden_activation", "gelu_pytorch_tanh")
		c.want("embeddings_scale_by_sqrt_dim", true)
		c.harmless("w_init_variance_scale", "final_w_init_variance_scale") // first weights
		a := c.attention(d)
		a.Rope, a.Window, a.Bias = c.rope(a.HeadDim, 10000, 0.5), c.sizeOr("attention_window_size", 2048), recipe.OutBias
		if c.flag("attention_bias", false) {
			a.Bias = recipe.AllBias
		}
		recurrent := &recipe.RGLRU{Width: c.sizeOr("lru_width", d), Heads: a.Heads, DConv: c.sizeOr("conv1d_width", 4)}
		width := c.multiple(c.size("intermediate_size"), 2, "intermediate_size", "")
		ff := &recipe.FF{Expert: use("geglu", map[string]any{"form": "tanh"}), Width: width, Bias: true}
		n := recipe.Norm{Kind: recipe.RMSNorm, Eps: c.number("rms_norm_eps", 1e-6), ZeroCentred: true}
		const table = "model.embed_tokens.weight"
		r := recipe.Recipe{Vocabulary: c.vocabulary("vocab_size", table), DModel: d, Norm: n, FinalNorm: &n}
		r.Head = recipe.Head{Tied: c.tied("tie_word_embeddings", true, table, "lm_head.weight"), SoftCap: c.number("logits_soft_cap", 30)}
		r.Multiplier.Embedding = float64(half.FromBFloat16(half.ToBFloat16(float32(math.Sqrt(float64(d))))))
		kinds := c.griffinKinds(layers)
		for i := range layers {
			first := recipe.Block{RGLRU: recurrent}
			if kinds[i%int64(len(kinds))] == "attention" {
				first = recipe.Block{Attention: a}
			}
			r.Layers = append(r.Layers, layer(first), layer(recipe.Block{FF: ff}))
		}
		return r
	},
	Names: func(*recipe.Recipe) Names { return RecurrentGemma },
	Config: func(r *recipe.Recipe) map[string]any {
		m, a, x := llamaKeys(r), block(r, attentionOf), block(r, func(b recipe.Block) *recipe.RGLRU { return b.RGLRU })
		delete(m, "hidden_act")
		attentionKeys(m, a)
		delete(m, "head_dim") // the class has none
		if delete(m, "rope_theta"); a.Rope != nil {
			m["rope_parameters"] = map[string]any{"rope_type": "default", "rope_theta": a.Rope.Base, "partial_rotary_factor": a.Rope.Fraction}
		}
		if a.Heads == 0 {
			m["num_attention_heads"], m["num_key_value_heads"] = x.Heads, x.Heads
		} else {
			m["attention_window_size"], m["attention_bias"] = a.Window, a.Bias == recipe.AllBias
		}
		if x.Width > 0 {
			m["lru_width"], m["conv1d_width"] = x.Width, x.DConv
		}
		m["hidden_activation"], m["intermediate_size"], m["logits_soft_cap"] = "gelu_pytorch_tanh", 2*block(r, ffOf).Width, r.Head.SoftCap
		kinds := []string{}
		for i, l := range all(r) {
			if i%2 == 0 {
				kinds = append(kinds, map[bool]string{true: "attention", false: "recurrent"}[l.Blocks[0].Attention != nil])
			}
		}
		m["block_types"] = kinds
		return m
	},
	Spare: rotaryBuffer,
}

// griffinKinds are the kinds of layers, in turns; those of RecurrentGemma when nothing says it.
func (c *Config) griffinKinds(layers int64) []string {
	list, ok := c.get("block_types").([]any)
	if !c.has("block_types") {
		return []string{"recurrent", "recurrent", "attention"}
	}
	if !ok || len(list) == 0 || int64(len(list)) > layers {
		c.fail("block_types is %s, want a list of 1 to %d words", spelled(c.get("block_types")), layers)
		return []string{"recurrent"}
	}
	return c.words("block_types", int64(len(list)), "recurrent", "attention")
}

// RecurrentGemma is transformers' RecurrentGemmaForCausalLM: each of its layers is two of
// ours, a temporal block and a gated feed-forward layer.
func RecurrentGemma(param string, _ int) (Source, bool) {
	switch param {
	case "embedding/weight":
		return plain("model.embed_tokens.weight"), true
	case "final_norm/weight":
		return plain("model.final_norm.weight"), true
	}
	i, rest, ok := layerOf(param)
	if !ok {
		return Source{}, false
	}
	prefix := fmt.Sprintf("model.layers.%d.", i/2)
	part, name, _ := strings.Cut(rest, "/")
	switch part {
	case "norm":
		return plain(prefix + []string{"temporal_pre_norm", "channel_pre_norm"}[i%2] + ".weight"), true
	case "attention":
		return linear(prefix + "temporal_block." + name), true
	case "rglru":
		if gate, kind, ok := strings.Cut(name, "_gate."); ok {
			s := plain(prefix + "temporal_block.rg_lru." + gate + "_gate_" + kind)
			if kind == "bias" {
				s.Layout = Squeezed
			}
			return s, true
		}
		if name == "recurrent_param" {
			return plain(prefix + "temporal_block.rg_lru.recurrent_param"), true
		}
		switch name {
		case "conv_1d.weight":
			return depthwise(prefix + "temporal_block." + name), true
		case "conv_1d.bias":
			return plain(prefix + "temporal_block." + name), true
		}
		return linear(prefix + "temporal_block." + name), true
	case "ff":
		return gatedFF(prefix+"mlp_block.", name)
	}
	return Source{}, false
}

package importer_test

import (
	"fmt"
	"math"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/importer"
)

// limits reads the range of Mamba-2's step sizes.
func (g *golden) limits() (low, high float64) {
	limit := g.config["time_step_limit"].([]any)
	low, high = limit[0].(float64), math.Inf(1)
	if v, finite := limit[1].(float64); finite { // else {"__float__": "Infinity"}
		high = v
	}
	return low, high
}

func hfBamba(g *golden) error {
	d, heads := g.int("hidden_size"), g.int("num_attention_heads")
	g.refuse(map[string]any{"hidden_act": "silu", "attention_dropout": 0.0, "z_loss_coefficient": 0.0})
	n := rms(g.float("rms_norm_eps"), false)
	attention := blocks.Attention{
		DModel: d, Heads: heads, KVHeads: g.int("num_key_value_heads"), HeadDim: d / heads, Rope: g.rope(d / heads),
		Bias: g.bool("attention_bias"), OutBias: g.bool("attention_bias"),
	}
	ff := g.function("expert", "swiglu", fmt.Sprintf(`{"bias":%v}`, g.bool("mlp_bias")), map[string]int64{"d_model": d, "width": g.int("intermediate_size")})
	m := blocks.Model{Name: "bamba", Vocabulary: g.int("vocab_size"), DModel: d, FinalNorm: &n, TiedHead: g.bool("tie_word_embeddings")}
	indices := g.config["attn_layer_indices"].([]any)
	for i := range g.int("num_hidden_layers") {
		mixer := single("attention", n, attention)
		if !contains(indices, float64(i)) {
			mamba := g.mixer2(fmt.Sprintf("w.model.layers.%d.mamba.", i), g.int("mamba_n_groups"), false)
			mamba.DtMin, mamba.DtMax = g.limits()
			mixer = single("mamba2", n, mamba)
		}
		m.Layers = append(m.Layers, mixer, single("ff", n, blocks.FeedForward{DModel: d, Expert: ff}))
	}
	languageModel(g, m, importer.Bamba, 0)
	return nil
}

func contains(list []any, x any) bool {
	for _, y := range list {
		if y == x {
			return true
		}
	}
	return false
}

package importer_test

import (
	"fmt"
	"math"
	"slices"

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
		if !slices.Contains(indices, any(float64(i))) {
			mamba := g.mixer2(fmt.Sprintf("w.model.layers.%d.mamba.", i), g.int("mamba_n_groups"), false)
			mamba.DtMin, mamba.DtMax = g.limits()
			mixer = single("mamba2", n, mamba)
		}
		m.Layers = append(m.Layers, mixer, single("ff", n, blocks.FeedForward{DModel: d, Expert: ff}))
	}
	languageModel(g, m, importer.Bamba, 0)
	return nil
}

func hfGraniteMoEHybrid(g *golden) error {
	d, heads, e := g.int("hidden_size"), g.int("num_attention_heads"), g.int("num_local_experts")
	g.refuse(map[string]any{"hidden_act": "silu", "attention_dropout": 0.0})
	n := rms(g.float("rms_norm_eps"), false)
	attention := blocks.Attention{
		DModel: d, Heads: heads, KVHeads: g.int("num_key_value_heads"), HeadDim: d / heads, Scale: g.float("attention_multiplier"),
		Bias: g.bool("attention_bias"), OutBias: g.bool("attention_bias"),
	}
	if g.config["position_embedding_type"] == "rope" {
		attention.Rope = g.rope(d / heads)
	}
	shared := g.function("expert", "swiglu", `{}`, map[string]int64{"d_model": d, "width": g.int("shared_intermediate_size")})
	second := single("ff", n, blocks.FeedForward{DModel: d, Expert: shared})
	if e > 0 {
		dims := map[string]int64{"d_model": d, "experts": e, "top_k": g.int("num_experts_per_tok"), "width": g.int("intermediate_size")}
		second = single("moe", n, blocks.MoE{
			DModel: d, Experts: e, Router: g.function("router", "topk", fmt.Sprintf(`{"softmax":"after","balance":%v}`, g.float("router_aux_loss_coef")), dims),
			Expert: g.function("expert", "swiglu", `{}`, dims), Shared: &blocks.Shared{Expert: shared},
		})
	}
	second.Scale = g.float("residual_multiplier")
	m := blocks.Model{
		Name: "granite", Vocabulary: g.int("vocab_size"), DModel: d, FinalNorm: &n, TiedHead: g.bool("tie_word_embeddings"), Balance: blocks.AllLayersMean,
		EmbeddingScale: g.float("embedding_multiplier"), LogitsScale: 1 / g.float("logits_scaling"),
	}
	for i, kind := range g.config["layer_types"].([]any) {
		mixer := single("attention", n, attention)
		if kind == "linear_attention" {
			mamba := g.mixer2(fmt.Sprintf("w.model.layers.%d.mamba.", i), g.int("mamba_n_groups"), false)
			mamba.DtMin, mamba.DtMax = g.limits()
			mixer = single("mamba2", n, mamba)
		}
		mixer.Scale = second.Scale
		m.Layers = append(m.Layers, mixer, second)
	}
	languageModel(g, m, importer.GraniteMoEHybrid, int(e))
	return nil
}

func hfNemotronH(g *golden) error {
	d, e := g.int("hidden_size"), g.int("n_routed_experts")
	g.refuse(map[string]any{
		"mlp_hidden_act": "relu2", "mamba_hidden_act": "silu", "attention_dropout": 0.0, "hidden_dropout": 0.0, "attention_bias": false, "mlp_bias": false,
		"n_shared_experts": 1.0, "sliding_window": nil,
	})
	n := rms(g.float("layer_norm_epsilon"), false)
	attention := blocks.Attention{DModel: d, Heads: g.int("num_attention_heads"), KVHeads: g.int("num_key_value_heads"), HeadDim: g.int("head_dim")}
	relu2 := func(d, width int64) map[string]int64 { return map[string]int64{"d_model": d, "width": width} }
	moe := blocks.MoE{
		DModel: d, Experts: e, Scale: g.float("routed_scaling_factor"),
		Router: g.function("router", "sigmoid", fmt.Sprintf(`{"n_group":%v,"topk_group":%v,"renormalize":%v}`, g.int("n_group"), g.int("topk_group"), g.bool("norm_topk_prob")),
			map[string]int64{"d_model": d, "experts": e, "top_k": g.int("num_experts_per_tok")}),
		Shared: &blocks.Shared{Expert: g.function("expert", "relu2", `{}`, relu2(d, g.int("moe_shared_expert_intermediate_size")))},
	}
	inside := d
	if g.config["moe_latent_size"] != nil {
		moe.Latent = g.int("moe_latent_size")
		inside = moe.Latent
	}
	moe.Expert = g.function("expert", "relu2", `{}`, relu2(inside, g.int("moe_intermediate_size")))
	ff := blocks.FeedForward{DModel: d, Expert: g.function("expert", "relu2", `{}`, relu2(d, g.int("intermediate_size")))}
	m := blocks.Model{Name: "nemotron_h", Vocabulary: g.int("vocab_size"), DModel: d, FinalNorm: &n, TiedHead: g.bool("tie_word_embeddings")}
	for i, kind := range g.config["layers_block_type"].([]any) {
		switch kind {
		case "full_attention":
			m.Layers = append(m.Layers, single("attention", n, attention))
		case "mlp":
			m.Layers = append(m.Layers, single("ff", n, ff))
		case "moe":
			m.Layers = append(m.Layers, single("moe", n, moe))
		default:
			mamba := g.mixer2(fmt.Sprintf("w.backbone.layers.%d.mixer.", i), g.int("n_groups"), false)
			mamba.DtMin, mamba.DtMax = g.float("time_step_min"), math.Inf(1) // the peer's limit, whatever its time_step_limit says
			m.Layers = append(m.Layers, single("mamba2", n, mamba))
		}
	}
	languageModel(g, m, importer.NemotronH, int(e))
	return nil
}

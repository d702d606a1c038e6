package importer_test

import (
	"fmt"
	"math"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/importer"
)

// single is a layer of one branch.
func single(name string, n blocks.Norm, b blocks.Block) blocks.Layer {
	return blocks.Layer{Branches: []blocks.Branch{{Name: name, Norm: n, Block: b}}}
}

// rope reads transformers' rope_parameters.
func (g *golden) rope(headDim int64) *op.RopeSpec {
	p := g.config["rope_parameters"].(map[string]any)
	fraction, ok := p["partial_rotary_factor"].(float64)
	if !ok {
		fraction = 1
	}
	return &op.RopeSpec{Base: p["rope_theta"].(float64), Dims: int64(fraction * float64(headDim))}
}

func hfGPT2(g *golden) error {
	d, heads := g.int("n_embd"), g.int("n_head")
	g.refuse(map[string]any{"activation_function": "gelu_new", "scale_attn_weights": true, "scale_attn_by_inverse_layer_idx": false, "attn_pdrop": 0.0, "resid_pdrop": 0.0, "embd_pdrop": 0.0})
	width := 4 * d
	if g.config["n_inner"] != nil {
		width = g.int("n_inner")
	}
	n := blocks.Norm{Kind: blocks.LayerNorm, Eps: g.float("layer_norm_epsilon"), Bias: true}
	attention := blocks.Attention{DModel: d, Heads: heads, KVHeads: heads, HeadDim: d / heads, Bias: true, OutBias: true}
	ff := blocks.FeedForward{DModel: d, Expert: g.function("expert", "gelu", `{"bias":true,"form":"tanh"}`, map[string]int64{"d_model": d, "width": width})}
	m := blocks.Model{Name: "gpt2", Vocabulary: g.int("vocab_size"), DModel: d, FinalNorm: &n, TiedHead: true, MaxLearned: g.int("n_positions")}
	for range g.int("n_layer") {
		m.Layers = append(m.Layers, single("attention", n, attention), single("ff", n, ff))
	}
	languageModel(g, m, importer.GPT2, 0)
	return nil
}

func hfGPTNeoX(g *golden) error {
	d, heads := g.int("hidden_size"), g.int("num_attention_heads")
	g.refuse(map[string]any{"hidden_act": "gelu", "use_parallel_residual": true, "rope_scaling": nil, "attention_dropout": 0.0, "hidden_dropout": 0.0})
	n := blocks.Norm{Kind: blocks.LayerNorm, Eps: g.float("layer_norm_eps"), Bias: true}
	attention := blocks.Attention{
		DModel: d, Heads: heads, KVHeads: heads, HeadDim: d / heads, Bias: g.bool("attention_bias"), OutBias: g.bool("attention_bias"),
		Rope: &op.RopeSpec{Base: g.float("rotary_emb_base"), Dims: int64(g.float("rotary_pct") * float64(d/heads))},
	}
	ff := blocks.FeedForward{DModel: d, Expert: g.function("expert", "gelu", `{"bias":true}`, map[string]int64{"d_model": d, "width": g.int("intermediate_size")})}
	m := blocks.Model{Name: "gpt_neox", Vocabulary: g.int("vocab_size"), DModel: d, FinalNorm: &n, TiedHead: g.bool("tie_word_embeddings")}
	for range g.int("num_hidden_layers") {
		m.Layers = append(m.Layers, blocks.Layer{Branches: []blocks.Branch{{Name: "attention", Norm: n, Block: attention}, {Name: "ff", Norm: n, Block: ff}}})
	}
	languageModel(g, m, importer.GPTNeoX(int(heads)), 0)
	return nil
}

func hfQwen3Next(g *golden) error {
	d, e := g.int("hidden_size"), g.int("num_experts")
	g.refuse(map[string]any{"hidden_act": "silu", "attention_bias": false, "decoder_sparse_step": 1.0, "mlp_only_layers": []any{}, "attention_dropout": 0.0, "router_aux_loss_coef": 0.0})
	n := blocks.Norm{Kind: blocks.RMSNorm, Eps: g.float("rms_norm_eps"), ZeroCentred: true}
	delta := blocks.GatedDeltaNet{
		DModel: d, KeyHeads: g.int("linear_num_key_heads"), ValueHeads: g.int("linear_num_value_heads"), KeyDim: g.int("linear_key_head_dim"),
		ValueDim: g.int("linear_value_head_dim"), DConv: g.int("linear_conv_kernel_dim"), Eps: n.Eps,
	}
	attention := blocks.Attention{
		DModel: d, Heads: g.int("num_attention_heads"), KVHeads: g.int("num_key_value_heads"), HeadDim: g.int("head_dim"),
		Rope: g.rope(g.int("head_dim")), QKNorm: &n, Gate: true,
	}
	dims := map[string]int64{"d_model": d, "experts": e, "top_k": g.int("num_experts_per_tok"), "width": g.int("moe_intermediate_size")}
	config := `{"renormalize":true,"balance":0}`
	if !g.bool("norm_topk_prob") {
		config = `{"renormalize":false,"balance":0}`
	}
	moe := blocks.MoE{
		DModel: d, Experts: e, Router: g.function("router", "topk", config, dims), Expert: g.function("expert", "swiglu", `{}`, dims),
		Shared: g.shared(d, g.int("shared_expert_intermediate_size")),
	}
	m := blocks.Model{Name: "qwen3_next", Vocabulary: g.int("vocab_size"), DModel: d, FinalNorm: &n, TiedHead: g.bool("tie_word_embeddings")}
	for _, kind := range g.config["layer_types"].([]any) {
		mixer := single("gated_deltanet", n, delta)
		if kind == "full_attention" {
			mixer = single("attention", n, attention)
		}
		m.Layers = append(m.Layers, mixer, single("moe", n, moe))
	}
	languageModel(g, m, importer.Qwen3Next, int(e))
	return nil
}

func hfRecurrentGemma(g *golden) error {
	d, heads := g.int("hidden_size"), g.int("num_attention_heads")
	g.refuse(map[string]any{"hidden_activation": "gelu_pytorch_tanh", "attention_bias": false, "attention_dropout": 0.0})
	n := blocks.Norm{Kind: blocks.RMSNorm, Eps: g.float("rms_norm_eps"), ZeroCentred: true}
	recurrent := blocks.RGLRU{DModel: d, Width: g.int("lru_width"), Heads: heads, DConv: g.int("conv1d_width")}
	attention := blocks.Attention{
		DModel: d, Heads: heads, KVHeads: g.int("num_key_value_heads"), HeadDim: g.int("head_dim"), Rope: g.rope(g.int("head_dim")),
		Window: g.int("attention_window_size"), OutBias: true,
	}
	ff := blocks.FeedForward{DModel: d, Expert: g.function("expert", "geglu", `{"bias":true,"form":"tanh"}`, map[string]int64{"d_model": d, "width": g.int("intermediate_size") / 2})}
	m := blocks.Model{
		Name: "recurrent_gemma", Vocabulary: g.int("vocab_size"), DModel: d, FinalNorm: &n, TiedHead: g.bool("tie_word_embeddings"),
		EmbeddingScale: math.Sqrt(float64(d)), LogitsCap: g.float("logits_soft_cap"),
	}
	kinds := g.config["block_types"].([]any)
	for i := range g.int("num_hidden_layers") {
		mixer := single("rglru", n, recurrent)
		if kinds[int(i)%len(kinds)] == "attention" {
			mixer = single("attention", n, attention)
		}
		m.Layers = append(m.Layers, mixer, single("ff", n, ff))
	}
	languageModel(g, m, importer.RecurrentGemma, 0)
	return nil
}

func hfJamba(g *golden) error {
	d, heads, e := g.int("hidden_size"), g.int("num_attention_heads"), g.int("num_experts")
	g.refuse(map[string]any{"hidden_act": "silu", "attention_dropout": 0.0, "sliding_window": nil})
	n := rms(g.float("rms_norm_eps"), false)
	attention := blocks.Attention{DModel: d, Heads: heads, KVHeads: g.int("num_key_value_heads"), HeadDim: d / heads}
	dims := map[string]int64{"d_model": d, "experts": e, "top_k": g.int("num_experts_per_tok"), "width": g.int("intermediate_size")}
	router := g.function("router", "topk", fmt.Sprintf(`{"renormalize":false,"balance":%v}`, g.float("router_aux_loss_coef")), dims)
	expert := g.function("expert", "swiglu", `{}`, dims)
	m := blocks.Model{Name: "jamba", Vocabulary: g.int("vocab_size"), DModel: d, FinalNorm: &n, TiedHead: g.bool("tie_word_embeddings"), Balance: blocks.AllLayersMean}
	for i := range g.int("num_hidden_layers") {
		mixer := single("attention", n, attention)
		if i%g.int("attn_layer_period") != g.int("attn_layer_offset") {
			mamba := g.mixer(fmt.Sprintf("w.model.layers.%d.mamba.", i))
			mamba.InnerNorm, mamba.NormEps = blocks.LearnedInnerNorm, n.Eps
			mixer = single("mamba", n, mamba)
		}
		ff := single("ff", n, blocks.FeedForward{DModel: d, Expert: expert})
		if i%g.int("expert_layer_period") == g.int("expert_layer_offset") {
			ff = single("moe", n, blocks.MoE{DModel: d, Experts: e, Router: router, Expert: expert})
		}
		m.Layers = append(m.Layers, mixer, ff)
	}
	languageModel(g, m, importer.Jamba, int(e))
	return nil
}

func hfZamba2(g *golden) error {
	d, heads, dim := g.int("hidden_size"), g.int("num_attention_heads"), g.int("attention_head_dim")
	g.refuse(map[string]any{"hidden_act": "gelu", "add_bias_linear": false, "use_long_context": false, "attention_dropout": 0.0, "num_key_value_heads": float64(heads)})
	n := rms(g.float("rms_norm_eps"), false)
	var rope *op.RopeSpec
	if g.bool("use_mem_rope") {
		rope = g.rope(dim)
	}
	m := blocks.Model{Name: "zamba2", Vocabulary: g.int("vocab_size"), DModel: d, FinalNorm: &n, TiedHead: g.bool("tie_word_embeddings")}
	var hybrid []int
	for i, kind := range g.config["layers_block_type"].([]any) {
		prefix := fmt.Sprintf("w.model.layers.%d.mamba.", i)
		if kind == "hybrid" {
			prefix = fmt.Sprintf("w.model.layers.%d.mamba_decoder.mamba.", i)
			shared := blocks.SharedTransformer{
				DModel: d, Index: int64(len(hybrid)) % g.int("num_mem_blocks"), Width: g.int("intermediate_size"), Rank: g.int("adapter_rank"), Norm: n,
				Adapters: g.bool("use_shared_attention_adapter"),
				Attention: blocks.Attention{
					DModel: 2 * d, Out: d, Heads: heads, KVHeads: heads, HeadDim: dim, Scale: 1 / math.Sqrt(float64(dim)/2), Rope: rope,
				},
			}
			m.Layers = append(m.Layers, blocks.Layer{Aside: &blocks.Aside{Name: "shared_transformer", Block: shared}})
			hybrid = append(hybrid, i)
		}
		mamba := g.mixer2(prefix, g.int("mamba_ngroups"), false)
		mamba.DtMin, mamba.DtMax = g.float("time_step_min"), math.Inf(1) // the peer's limit
		m.Layers = append(m.Layers, single("mamba2", n, mamba))
	}
	languageModel(g, m, importer.Zamba2(hybrid, int(g.int("num_mem_blocks"))), 0)
	return nil
}

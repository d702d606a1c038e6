package importer_test

import (
	"fmt"
	"strings"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/importer"
)

// llmRandomMoE is the layer of MoE-Mamba's authors, with both auxiliary losses.
func llmRandomMoE(g *golden) error {
	d, e, k := g.int("d_model"), g.int("n_experts"), g.int("top_k")
	dims := map[string]int64{"d_model": d, "experts": e, "top_k": k, "width": g.int("expert_size")}
	z, balance := g.float("zloss_weight"), g.float("load_balancing_loss_weight")
	router := g.function("router", "topk", fmt.Sprintf(`{"renormalize":false,"balance":%v,"z_loss":%v}`, balance, z), dims)
	expert := g.function("expert", map[bool]string{true: "swiglu", false: "relu"}[g.bool("gated")], `{}`, dims)
	b := newBlockTest(g, importer.LLMRandomMoE, int(e))
	b.build(d, func(c *blocks.Context, x blocks.Value) []output {
		m := blocks.MoE{DModel: d, Experts: e, Router: router, Expert: expert, Kept: g.kept(c, x, e, k)}
		out := []output{{"y", m.Forward(c, x), nil}}
		weights := map[string]float64{"balance": balance, "z": z}
		names := map[string]string{"balance": "aux_load_balancing_loss", "z": "aux_z_loss"}
		for i, name := range []string{"balance", "z"} {
			v := op.Scale(c.Losses()[i].Value, weights[name])
			if name == "balance" {
				v = op.Scale(v, float64(k)) // the authors count an assignment, we its share of k
			}
			out = append(out, output{names[name], v, c.G.Float(1)})
		}
		return out
	})
	b.check()
	return nil
}

// kept replays which tokens each expert took, int64 [T, k]; nil when none was dropped.
func (g *golden) kept(c *blocks.Context, x blocks.Value, e, k int64) blocks.Value {
	tokens, _ := x.Shape()[:2].Elements().Int()
	gates, indices := g.floats("out.expert_token_gates"), g.ints("out.expert_token_indices")
	kept, taken := make([]int64, tokens*k), 0
	for i := range kept {
		kept[i] = -1
	}
	for i, gate := range gates {
		if gate == 0 {
			continue
		}
		token, expert := indices[i], int64(i)%e
		for j := range k {
			if kept[token*k+j] < 0 {
				kept[token*k+j] = expert
				taken++
				break
			}
		}
	}
	if taken == len(kept) {
		return nil
	}
	if k != 1 {
		g.t.Fatal("a recorded drop with several experts per token does not say which choice was dropped")
	}
	return c.G.Const("kept", graph.Ints([]int{int(tokens), int(k)}, kept...))
}

// hfSwitch is transformers' Switch layer: capacity counted within each sequence, dropped
// tokens passed through, and the balance loss taken row by row.
func hfSwitch(g *golden) error {
	d, e := g.int("d_model"), g.int("n_experts")
	dims := map[string]int64{"d_model": d, "experts": e, "top_k": 1, "width": g.int("d_ff")}
	router := g.function("router", "switch", `{"z_loss":1}`, dims)
	expert := g.function("expert", "relu", `{}`, dims)
	b := newBlockTest(g, importer.SwitchMoE, int(e))
	b.build(d, func(c *blocks.Context, x blocks.Value) []output {
		m := blocks.MoE{DModel: d, Experts: e, Router: router, Expert: expert, Capacity: g.int("expert_capacity"), CapacityPerRow: true, PassThrough: true}
		out := []output{{"y", m.Forward(c, x), nil}}
		shape := g.shapeOf("in.x")
		p := op.Reshape(c.PerToken("probabilities")[0], shape[0], shape[1], e) // [B, L, E]
		ids := make([]int64, e)
		for i := range ids {
			ids[i] = int64(i)
		}
		// The peer takes the argmax of a mask from which dropped tokens are missing: it counts
		// them for expert 0.
		kept := op.Max(op.LimitCapacityTo(op.ArgMax(p, 2, true), e, g.int("expert_capacity")), c.G.Int64(0)) // [B, L, 1]
		hits := op.Cast(op.Equal(kept, c.G.Int64s(ids...)), graph.Float32)
		perRow := op.Mul(op.ReduceMean(hits, []int64{1}, false), op.ReduceMean(p, []int64{1}, false)) // [B, E]
		balance := op.Scale(op.ReduceMean(perRow, nil, false), float64(e*e))
		return append(out, output{"aux_load_balancing_loss", balance, c.G.Float(1)}, output{"aux_router_z_loss", c.Losses()[1].Value, c.G.Float(1)})
	})
	b.check()
	return nil
}

func mixtralMoE(g *golden) error {
	return softmaxTopK(g, importer.MixtralMoE, `{}`)
}

func jambaMoE(g *golden) error {
	return softmaxTopK(g, importer.JambaMoE, `{"renormalize":false}`)
}

func softmaxTopK(g *golden, names importer.Names, config string) error {
	d, e, k := g.int("d_model"), g.int("n_experts"), g.int("top_k")
	dims := map[string]int64{"d_model": d, "experts": e, "top_k": k, "width": g.int("d_ff")}
	router, expert := g.function("router", "topk", config, dims), g.function("expert", "swiglu", `{}`, dims)
	b := newBlockTest(g, names, int(e))
	b.build(d, func(c *blocks.Context, x blocks.Value) []output {
		out := []output{{"y", blocks.MoE{DModel: d, Experts: e, Router: router, Expert: expert}.Forward(c, x), nil}}
		if g.has("out.aux_load_balancing_loss") { // k at balance, where ours is 1
			out = append(out, output{"aux_load_balancing_loss", op.Scale(c.Losses()[0].Value, float64(k)), c.G.Float(1)})
		}
		return out
	})
	b.check()
	return nil
}

func qwen2MoE(g *golden) error {
	d, e, k := g.int("d_model"), g.int("n_experts"), g.int("top_k")
	dims := map[string]int64{"d_model": d, "experts": e, "top_k": k, "width": g.int("d_ff")}
	router := g.function("router", "topk", fmt.Sprintf(`{"renormalize":%v}`, g.bool("norm_topk_prob")), dims)
	m := blocks.MoE{DModel: d, Experts: e, Router: router, Expert: g.function("expert", "swiglu", `{}`, dims), Shared: g.shared(d, g.int("shared_d_ff"))}
	b := newBlockTest(g, importer.Qwen2MoE, int(e))
	b.build(d, func(c *blocks.Context, x blocks.Value) []output {
		return []output{{"y", m.Forward(c, x), nil}}
	})
	b.check()
	return nil
}

// shared is a shared SwiGLU expert behind a gate.
func (g *golden) shared(d, width int64) *blocks.Shared {
	return &blocks.Shared{Expert: g.function("expert", "swiglu", `{}`, map[string]int64{"d_model": d, "width": width}), Gated: true}
}

func hfQwen2MoE(g *golden) error {
	d, heads, e := g.int("hidden_size"), g.int("num_attention_heads"), g.int("num_experts")
	g.refuse(map[string]any{
		"hidden_act": "silu", "rope_scaling": nil, "use_sliding_window": false, "decoder_sparse_step": 1.0,
		"mlp_only_layers": []any{}, "attention_dropout": 0.0,
	})
	n := rms(g.float("rms_norm_eps"), false)
	attention := blocks.Attention{
		DModel: d, Heads: heads, KVHeads: g.int("num_key_value_heads"), HeadDim: d / heads,
		Rope: &op.RopeSpec{Base: g.float("rope_theta"), Dims: d / heads}, Bias: true,
	}
	dims := map[string]int64{"d_model": d, "experts": e, "top_k": g.int("num_experts_per_tok"), "width": g.int("moe_intermediate_size")}
	config := fmt.Sprintf(`{"renormalize":%v,"balance":%v}`, g.bool("norm_topk_prob"), g.float("router_aux_loss_coef"))
	moe := blocks.MoE{
		DModel: d, Experts: e, Router: g.function("router", "topk", config, dims), Expert: g.function("expert", "swiglu", `{}`, dims),
		Shared: g.shared(d, g.int("shared_expert_intermediate_size")),
	}
	m := blocks.Model{Name: "qwen2_moe", Vocabulary: g.int("vocab_size"), DModel: d, FinalNorm: &n, TiedHead: g.bool("tie_word_embeddings"), Balance: blocks.AllLayersMean}
	for range g.int("num_hidden_layers") {
		m.Layers = append(m.Layers, blocks.Layer{Branches: []blocks.Branch{{Name: "attention", Norm: n, Block: attention}}}, blocks.Layer{Branches: []blocks.Branch{{Name: "moe", Norm: n, Block: moe}}})
	}
	languageModel(g, m, importer.Qwen2MoELM, int(e))
	return nil
}

func deepSeekMoE(g *golden) error {
	d, e := g.int("d_model"), g.int("n_experts")
	dims := map[string]int64{"d_model": d, "experts": e, "top_k": g.int("top_k"), "width": g.int("d_ff")}
	config := fmt.Sprintf(`{"n_group":%d,"topk_group":%d,"renormalize":%v}`, g.int("n_group"), g.int("topk_group"), g.bool("norm_topk_prob"))
	shared := g.shared(d, g.int("n_shared")*g.int("d_ff"))
	shared.Gated = false
	m := blocks.MoE{
		DModel: d, Experts: e, Router: g.function("router", "sigmoid", config, dims), Expert: g.function("expert", "swiglu", `{}`, dims),
		Shared: shared, Scale: g.float("routed_scaling_factor"),
	}
	b := newBlockTest(g, importer.DeepSeekMoE, int(e))
	b.build(d, func(c *blocks.Context, x blocks.Value) []output {
		return []output{{"y", m.Forward(c, x), nil}}
	})
	b.check()
	return nil
}

func expertChoice(g *golden) error {
	d, e := g.int("d_model"), g.int("n_experts")
	dims := map[string]int64{"d_model": d, "experts": e, "top_k": g.int("top_k"), "width": g.int("expert_size")}
	router := g.function("router", "expert-choice", fmt.Sprintf(`{"softmax":%q}`, g.config["softmax_over"]), dims)
	m := blocks.MoE{DModel: d, Experts: e, Router: router, Expert: g.function("expert", "relu", `{}`, dims)}
	b := newBlockTest(g, importer.LLMRandomMoE, int(e))
	b.build(d, func(c *blocks.Context, x blocks.Value) []output {
		return []output{{"y", m.Forward(c, x), nil}}
	})
	b.check()
	return nil
}

// blackMambaMoE is the layer as released, which routes by the largest logit, and the balanced
// matrix that its experts were chosen from while training.
func blackMambaMoE(g *golden) error {
	d, e := g.int("d_model"), g.int("n_experts")
	dims := map[string]int64{"d_model": d, "experts": e, "top_k": 1, "width": g.int("d_ff")}
	router := g.function("router", "sinkhorn", fmt.Sprintf(`{"bias":true,"sharpness":%v,"iterations":100}`, g.float("sharpness")), dims)
	m := blocks.MoE{DModel: d, Experts: e, Router: router, Expert: g.function("expert", "gelu", `{"bias":true}`, dims)}
	b := newBlockTest(g, importer.BlackMambaMoE, int(e))
	b.infer = true
	b.build(d, func(c *blocks.Context, x blocks.Value) []output {
		return []output{{"y", m.Forward(c, x), nil}}
	})
	b.check()
	b = newBlockTest(g, importer.BlackMambaMoE, int(e))
	b.build(d, func(c *blocks.Context, x blocks.Value) []output {
		m.Forward(c, x)
		return []output{{"balanced", c.PerToken("scores")[0], nil}}
	})
	got := b.run(b.g, map[string]blocks.Value{"out.balanced": b.outputs[0].v})
	g.near("balanced", got["out.balanced"].F32(), g.floats("out.balanced"))
	return nil
}

func softMoE(g *golden) error {
	d, e := g.int("d_model"), g.int("n_experts")
	dims := map[string]int64{"d_model": d, "experts": e, "top_k": 1, "width": g.int("d_ff")}
	router := g.function("router", "soft-moe", fmt.Sprintf(`{"slots":%d}`, g.int("slots")), dims)
	m := blocks.MoE{DModel: d, Experts: e, Router: router, Expert: g.function("expert", "gelu", `{"bias":true}`, dims)}
	names := func(param string, experts int) (importer.Source, bool) {
		if param == "router/slots" {
			return importer.Source{Names: []string{"slot_embeds"}, Layout: importer.Transposed}, true
		}
		s, ok := importer.BlackMambaMoE(param, experts)
		for i, name := range s.Names { // the same experts under other names
			s.Names[i] = strings.NewReplacer("local_experts", "experts", "linear_", "").Replace(name)
		}
		return s, ok
	}
	b := newBlockTest(g, names, int(e))
	b.build(d, func(c *blocks.Context, x blocks.Value) []output {
		return []output{{"y", m.Forward(c, x), nil}}
	})
	b.check()
	return nil
}

// innerMoE is a Mamba with experts in its projections, as the authors of MoE-Mamba build it.
func innerMoE(g *golden) error {
	d, inner, e := g.int("d_model"), g.int("d_inner"), g.int("n_experts")
	mixture := &blocks.Mixture{Experts: e, TopK: 1}
	for _, at := range g.config["at"].([]any) {
		s := blocks.Site{Name: at.(string), DIn: d, DOut: inner}
		if s.Name == "out" {
			s.DIn, s.DOut = inner, d
		}
		s.Router = g.function("router", "switch", `{}`, map[string]int64{"d_model": s.DIn, "experts": e, "top_k": 1})
		s.Expert = g.function("expert", "relu", `{}`, map[string]int64{"d_model": s.DIn, "d_out": s.DOut, "width": g.int("expert_size")})
		mixture.Sites = append(mixture.Sites, s)
	}
	conv, a := g.shapeOf("w.conv1d.weight"), g.shapeOf("w.A_log")
	m := blocks.Mamba{
		DModel: d, Inner: inner, DState: a[1], DConv: conv[2], DtRank: g.shapeOf("w.dt_proj.weight")[1], ConvBias: g.has("w.conv1d.bias"), Mixture: mixture,
	}
	b := newBlockTest(g, importer.LLMRandomInnerMoE, int(e))
	b.build(d, func(c *blocks.Context, x blocks.Value) []output {
		return []output{{"y", m.Forward(c, x), nil}}
	})
	b.check()
	return nil
}

package importer_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/importer"
	"github.com/moezoo/moezoo/internal/testroot"
	"github.com/moezoo/moezoo/safetensors"
)

// errUnsupported is what a family answers that needs blocks that are not there yet. The list
// UNSUPPORTED names those families; today there is none.
var errUnsupported = errors.New("unsupported")

// golden is one file of numbers computed by a peer's own code.
type golden struct {
	t      *testing.T
	file   *safetensors.File
	config map[string]any
	loose  float64 // factor on the tolerance of gradients, where the peer's own float32 run is further off; 0 for 1
}

func (g *golden) int(key string) int64 {
	v, ok := g.config[key].(float64)
	if !ok {
		g.t.Fatalf("the configuration has no number %q", key)
	}
	return int64(v)
}

func (g *golden) float(key string) float64 { v, _ := g.config[key].(float64); return v }
func (g *golden) bool(key string) bool     { v, _ := g.config[key].(bool); return v }

// refuse fails on settings that the test would silently pass over: each may be absent or
// null, or have the value that stands here.
func (g *golden) refuse(settings map[string]any) {
	g.t.Helper()
	for key, want := range settings {
		if got, there := g.config[key]; there && got != nil && !reflect.DeepEqual(got, want) {
			g.t.Fatalf("the configuration has %s = %v, which is not supported: want %v", key, got, want)
		}
	}
}

func (g *golden) has(name string) bool { _, ok := g.file.Info(name); return ok }

func (g *golden) floats(name string) []float32 {
	g.t.Helper()
	v, err := g.file.Float32(name)
	if err != nil {
		g.t.Fatal(err)
	}
	return v
}

func (g *golden) ints(name string) []int64 {
	g.t.Helper()
	v, err := g.file.Int64(name)
	if err != nil {
		g.t.Fatal(err)
	}
	return v
}

// near compares outputs: |a−b| ≤ 1e-5 + 1e-4·|b|. The peers computed in float64.
func (g *golden) near(name string, got, want []float32) {
	g.t.Helper()
	if len(got) != len(want) {
		g.t.Errorf("%s: %d numbers, want %d", name, len(got), len(want))
		return
	}
	for i := range want {
		if d := math.Abs(float64(got[i] - want[i])); !(d <= 1e-5+1e-4*math.Abs(float64(want[i]))) {
			g.t.Errorf("%s[%d] = %v, want %v", name, i, got[i], want[i])
			return
		}
	}
}

// nearGradient compares a gradient with its largest element: max|a−b| ≤ 1e-4·max|b|.
func (g *golden) nearGradient(name string, got, want []float32) {
	g.t.Helper()
	if len(got) != len(want) {
		g.t.Errorf("gradient of %s: %d numbers, want %d", name, len(got), len(want))
		return
	}
	worst, largest := 0.0, 0.0
	for i := range want {
		worst = math.Max(worst, math.Abs(float64(got[i]-want[i])))
		largest = math.Max(largest, math.Abs(float64(want[i])))
	}
	if !(worst <= math.Max(1e-4*max(g.loose, 1)*largest, 1e-8)) { // below that lies what is 0 but for rounding, as for a bias of keys
		g.t.Errorf("gradient of %s is off by %.3g, its largest element is %.3g", name, worst, largest)
	}
}

// family is the test of all files whose names begin alike.
type family struct {
	prefix string
	run    func(g *golden) error
}

// families maps the beginning of a file's name to its test, longest first.
var families = []family{
	{"mamba_gatedmlp_lm", mambaMLPLM},
	{"mamba1_block", mambaBlock},
	{"selective_scan", selectiveScan},
	{"mamba_lm", mambaLM},
	{"statespaces_mamba1", mambaLM},
	{"hf_mamba", hfMamba},
	{"moemamba_lm", moeMambaLM},
	{"switch_llmrandom", llmRandomMoE},
	{"moe_llmrandom", llmRandomMoE},
	{"switch_hf", hfSwitch},
	{"mixtral_moe", mixtralMoE},
	{"jamba_moe", jambaMoE},
	{"hf_mixtral", hfLlama},
	{"hf_llama", hfLlama},
	{"mamba2_block", mamba2Block},
	{"mamba2_lm", mamba2LM},
	{"statespaces_mamba2", mamba2LM},
	{"ssd_minimal", ssdMinimal},
	{"qwen2moe", qwen2MoE},
	{"innermoe_llmrandom", innerMoE},
	{"deepseekv3_moe", deepSeekMoE},
	{"expertchoice_llmrandom", expertChoice},
	{"sinkhorn_blackmamba", blackMambaMoE},
	{"softmoe", softMoE},
	{"s4d", s4d},
	{"s5", s5},
	{"mamba3", mamba3},
	{"jamba_mamba", jambaMixer},
	{"hf_falcon_mamba", falconMamba},
	{"hf_gpt2", hfGPT2},
	{"hf_gpt_neox", hfGPTNeoX},
	{"hf_qwen3_next", hfQwen3Next},
	{"hf_recurrent_gemma", hfRecurrentGemma},
	{"hf_zamba2", hfZamba2},
	{"hf_jamba", hfJamba},
	{"hf_qwen2_moe", hfQwen2MoE},
	{"hf_bamba", hfBamba},
	{"hf_granitemoehybrid", hfGraniteMoEHybrid},
	{"hf_nemotron_h", hfNemotronH},
}

// TestGolden runs every file of a folder: $MOEZOO_GOLDEN, or the committed copy. The list
// UNSUPPORTED can only shrink: a family on it that passes is a failure.
func TestGolden(t *testing.T) {
	dir := testroot.FromEnv("MOEZOO_GOLDEN")
	if dir == "" {
		dir = "../testdata/golden"
	}
	raw, err := os.ReadFile(filepath.Join(dir, "INDEX.json"))
	if err != nil {
		t.Fatal(err)
	}
	type entry struct {
		File   string
		Config map[string]any
	}
	var index []entry
	if err := json.Unmarshal(raw, &index); err != nil || len(index) == 0 {
		t.Fatal(len(index), err)
	}
	listed, err := os.ReadFile("../testdata/golden/UNSUPPORTED")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(listed)) {
		if !slices.ContainsFunc(families, func(x family) bool { return x.prefix == name }) {
			t.Errorf("UNSUPPORTED lists %s, which is no family", name)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !slices.ContainsFunc(index, func(x entry) bool { return x.File == filepath.Base(file) }) {
			t.Errorf("%s is not in INDEX.json", filepath.Base(file))
		}
	}
	for _, entry := range index {
		name := strings.TrimSuffix(entry.File, ".safetensors")
		t.Run(name, func(t *testing.T) {
			f, err := safetensors.Open(filepath.Join(dir, entry.File))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			i := slices.IndexFunc(families, func(x family) bool { return strings.HasPrefix(name, x.prefix) })
			if i < 0 {
				t.Fatalf("the family of %s is not known", name)
			}
			known := slices.Contains(strings.Fields(string(listed)), families[i].prefix)
			err = families[i].run(&golden{t: t, file: f, config: entry.Config})
			switch {
			case errors.Is(err, errUnsupported) && !known:
				t.Errorf("family %s is unsupported, but not on the list", families[i].prefix)
			case err == nil && known:
				t.Errorf("family %s passes: take it off the list", families[i].prefix)
			case err != nil && !errors.Is(err, errUnsupported):
				t.Error(err)
			}
		})
	}
}

func rms(eps float64, bias bool) blocks.Norm {
	return blocks.Norm{Kind: blocks.RMSNorm, Eps: eps, Bias: bias}
}

// shapeOf is a weight's shape on file.
func (g *golden) shapeOf(name string) []int64 {
	g.t.Helper()
	info, ok := g.file.Info(name)
	if !ok {
		g.t.Fatalf("there is no tensor %s", name)
	}
	return info.Shape
}

// mixer reads a mixer's sizes off its tensors.
func (g *golden) mixer(prefix string) blocks.Mamba {
	out, conv, a := g.shapeOf(prefix+"out_proj.weight"), g.shapeOf(prefix+"conv1d.weight"), g.shapeOf(prefix+"A_log")
	return blocks.Mamba{
		DModel: out[0], Inner: out[1], DState: a[1], DConv: conv[2], DtRank: g.shapeOf(prefix + "dt_proj.weight")[1],
		Bias: g.has(prefix + "in_proj.bias"), ConvBias: g.has(prefix + "conv1d.bias"),
	}
}

func mambaBlock(g *golden) error {
	m := g.mixer("w.")
	b := newBlockTest(g, importer.MambaBlock, 0)
	b.build(m.DModel, func(c *blocks.Context, x blocks.Value) []output {
		return []output{{"y", m.Forward(c, x), nil}}
	})
	b.check()
	return stepBlock(g, m, m.DModel, m.DConv)
}

// jambaMixer is Jamba's Mamba, with learned norms inside.
func jambaMixer(g *golden) error {
	m := g.mixer("w.")
	m.InnerNorm, m.NormEps = blocks.LearnedInnerNorm, g.float("rms_eps")
	b := newBlockTest(g, importer.MambaBlock, 0)
	b.build(m.DModel, func(c *blocks.Context, x blocks.Value) []output {
		return []output{{"y", m.Forward(c, x), nil}}
	})
	b.check()
	return nil
}

// falconMamba is a Mamba with norms inside that have no gain. Its float32 gradients are good
// to 9e-5 by themselves.
func falconMamba(g *golden) error {
	g.loose = 5
	m := mambaModel(g, "embeddings", g.float("layer_norm_epsilon"))
	for i := range m.Layers {
		mixer := m.Layers[i].Branches[0].Block.(blocks.Mamba)
		mixer.InnerNorm, mixer.NormEps = blocks.FixedInnerNorm, 1e-6
		m.Layers[i].Branches[0].Block = mixer
	}
	languageModel(g, m, importer.Mamba("embeddings"), 0)
	return nil
}

func mambaModel(g *golden, embedding string, eps float64) blocks.Model {
	table := g.shapeOf("w.backbone." + embedding + ".weight")
	n := rms(eps, false)
	m := blocks.Model{Name: "mamba", Vocabulary: table[0], DModel: table[1], FinalNorm: &n, TiedHead: !g.has("w.lm_head.weight")}
	for i := 0; g.has(fmt.Sprintf("w.backbone.layers.%d.mixer.A_log", i)); i++ {
		mixer := g.mixer(fmt.Sprintf("w.backbone.layers.%d.mixer.", i))
		m.Layers = append(m.Layers, blocks.Layer{Branches: []blocks.Branch{{Name: "mamba", Norm: n, Block: mixer}}})
	}
	return m
}

func mambaLM(g *golden) error {
	languageModel(g, mambaModel(g, "embedding", g.float("norm_eps")), importer.Mamba("embedding"), 0)
	return nil
}

// mambaMLPLM has a gated feed-forward layer behind every mixer.
func mambaMLPLM(g *golden) error {
	m := mambaModel(g, "embedding", g.float("norm_eps"))
	width := g.shapeOf("w.backbone.layers.0.mlp.fc2.weight")[1]
	expert := g.function("expert", "swiglu", `{}`, map[string]int64{"d_model": m.DModel, "width": width})
	var layers []blocks.Layer
	for _, mixer := range m.Layers {
		ff := blocks.Branch{Name: "ff", Norm: mixer.Branches[0].Norm, Block: blocks.FeedForward{DModel: m.DModel, Expert: expert}}
		layers = append(layers, mixer, blocks.Layer{Branches: []blocks.Branch{ff}})
	}
	m.Layers = layers
	languageModel(g, m, importer.MambaMLP, 0)
	return nil
}

func hfMamba(g *golden) error {
	languageModel(g, mambaModel(g, "embeddings", g.float("layer_norm_epsilon")), importer.Mamba("embeddings"), 0)
	return nil
}

func moeMambaLM(g *golden) error {
	g.refuse(map[string]any{"block": []any{"mamba", "switch-moe"}})
	if experts, factor := g.float("n_experts"), g.float("capacity_factor"); factor < experts {
		g.t.Fatalf("the peer drops tokens at capacity factor %v, also when it decodes; ours decodes without dropping", factor)
	}
	table := g.shapeOf("w.embedding_layer.layers.0.weight")
	n := rms(1e-5, true)
	if g.has("w.encoder.blocks.block_0.block.residual_mamba.layer.pre_norm.weight") {
		n = blocks.Norm{Kind: blocks.LayerNorm, Eps: 1e-5, Bias: true}
	}
	e := g.int("n_experts")
	dims := map[string]int64{"d_model": table[1], "experts": e, "top_k": 1, "width": g.int("expert_size")}
	router := g.function("router", "switch", fmt.Sprintf(`{"balance":%v}`, g.float("load_balancing_loss_weight")), dims)
	expert := g.function("expert", "relu", `{}`, dims)
	m := blocks.Model{Name: "moe-mamba", Vocabulary: table[0], DModel: table[1], HeadBias: g.has("w.head.bias")}
	for i := range g.int("n_blocks") {
		mixer := g.mixer(fmt.Sprintf("w.encoder.blocks.block_%d.block.residual_mamba.layer.mamba.", i))
		moe := blocks.MoE{DModel: table[1], Experts: e, Router: router, Expert: expert}
		m.Layers = append(m.Layers,
			blocks.Layer{Branches: []blocks.Branch{{Name: "mamba", Norm: n, Block: mixer}}},
			blocks.Layer{Branches: []blocks.Branch{{Name: "moe", Norm: n, Block: moe}}})
	}
	languageModel(g, m, importer.LLMRandom, int(e))
	return nil
}

// llamaRope is how heads are rotated; rope_parameters of kind llama3 slow down what turns
// seldom within the original context.
func (g *golden) llamaRope(dims int64) *op.RopeSpec {
	p, ok := g.config["rope_parameters"].(map[string]any)
	if !ok {
		return &op.RopeSpec{Base: g.float("rope_theta"), Dims: dims}
	}
	if p["rope_type"] != "llama3" {
		g.t.Fatalf("rope_type is %v", p["rope_type"])
	}
	of := func(key string) float64 { return p[key].(float64) }
	s := &op.RopeSpec{Base: of("rope_theta"), Dims: dims, Scale: make([]float32, dims/2)}
	for i := range s.Scale {
		length := 2 * math.Pi * math.Pow(s.Base, 2*float64(i)/float64(dims)) // of a turn, in tokens
		long, short := of("original_max_position_embeddings")/of("low_freq_factor"), of("original_max_position_embeddings")/of("high_freq_factor")
		switch {
		case length < short:
			s.Scale[i] = 1
		case length > long:
			s.Scale[i] = float32(1 / of("factor"))
		default:
			smooth := (of("original_max_position_embeddings")/length - of("low_freq_factor")) / (of("high_freq_factor") - of("low_freq_factor"))
			s.Scale[i] = float32((1-smooth)/of("factor") + smooth)
		}
	}
	return s
}

// hfLlama is llama and mixtral.
func hfLlama(g *golden) error {
	d, heads := g.int("hidden_size"), g.int("num_attention_heads")
	keyValue := heads
	if g.config["num_key_value_heads"] != nil {
		keyValue = g.int("num_key_value_heads")
	}
	g.refuse(map[string]any{
		"hidden_act": "silu", "mlp_bias": false, "rope_scaling": nil, "sliding_window": nil, "pretraining_tp": 1.0,
		"head_dim": float64(d / heads), "router_jitter_noise": 0.0, "attention_dropout": 0.0,
	})
	n := rms(g.float("rms_norm_eps"), false)
	m := blocks.Model{Name: "llama", Vocabulary: g.int("vocab_size"), DModel: d, FinalNorm: &n, TiedHead: g.bool("tie_word_embeddings"), Balance: blocks.AllLayersMean}
	dims := map[string]int64{"d_model": d, "width": g.int("intermediate_size")}
	attention := blocks.Attention{
		DModel: d, Heads: heads, KVHeads: keyValue, HeadDim: d / heads,
		Rope: g.llamaRope(d / heads), Bias: g.bool("attention_bias"), OutBias: g.bool("attention_bias"),
	}
	var second blocks.Branch
	experts := int64(0)
	if _, moe := g.config["num_local_experts"]; moe {
		experts = g.int("num_local_experts")
		all := map[string]int64{"d_model": d, "experts": experts, "top_k": g.int("num_experts_per_tok"), "width": dims["width"]}
		// AllLayersMean counts k at balance, as transformers does: the weight is the same.
		weight := g.float("router_aux_loss_coef")
		router := g.function("router", "topk", fmt.Sprintf(`{"balance":%v}`, weight), all)
		second = blocks.Branch{Name: "moe", Norm: n, Block: blocks.MoE{DModel: d, Experts: experts, Router: router, Expert: g.function("expert", "swiglu", `{}`, all)}}
	} else {
		second = blocks.Branch{Name: "ff", Norm: n, Block: blocks.FeedForward{DModel: d, Expert: g.function("expert", "swiglu", `{}`, dims)}}
	}
	for range g.int("num_hidden_layers") {
		m.Layers = append(m.Layers, blocks.Layer{Branches: []blocks.Branch{{Name: "attention", Norm: n, Block: attention}}}, blocks.Layer{Branches: []blocks.Branch{second}})
	}
	languageModel(g, m, importer.Llama, int(experts))
	return nil
}

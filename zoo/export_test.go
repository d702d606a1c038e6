package zoo

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/export"
	"github.com/moezoo/moezoo/export/ort/orttest"
	"github.com/moezoo/moezoo/graph/onnx"
	"github.com/moezoo/moezoo/graph/onnx/file"
	"github.com/moezoo/moezoo/plugins"
	_ "github.com/moezoo/moezoo/plugins/builtin"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// briefly trains a recipe for a few steps and opens the run.
func briefly(t *testing.T, name string, settings ...string) *Trained {
	t.Helper()
	h, err := plugins.NewHost(plugins.Config{InProcess: true, NotBeside: true, Checker: plugins.CheckFunctions})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	r, err := recipe.Load(name, append(settings, "train.steps=2", "train.batch=2", "train.context=16")...)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Build(context.Background(), r, h)
	if err != nil {
		t.Fatal(err)
	}
	set, err := m.Data(context.Background(), []corpus.Document{corpus.FromBytes("novel", corpus.Default()[:20_000])})
	if err != nil {
		t.Fatal(err)
	}
	d := cpu.New(1)
	t.Cleanup(func() { d.Close() })
	dir := filepath.Join(t.TempDir(), "run")
	run, err := m.Train(TrainOptions{Dir: dir}, set, d)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	if _, err := run.Train(context.Background()); err != nil {
		t.Fatal(err)
	}
	trained, err := Open(dir, d)
	if err != nil {
		t.Fatal(err)
	}
	return trained
}

// TestAnExportThatIsNotEqualLeavesNothing changes a weight while the file is verified, so
// that the model and the file differ; and cancels another export in the middle.
func TestAnExportThatIsNotEqualLeavesNothing(t *testing.T) {
	orttest.Require(t)
	trained := briefly(t, "moe-mamba-debug")
	for _, path := range []string{"m.onnx", "site/", "deep/er/site/"} {
		for _, external := range []bool{false, true} {
			dir := t.TempDir()
			o := ExportOptions{}
			o.External = external
			changed := false
			o.Progress = func(done, total int) {
				if changed {
					return
				}
				changed = true
				w := trained.Weight("head/weight")
				w.F32()[7]++
				if err := trained.Weights.Buffer("head/weight").Upload(nil, w); err != nil {
					t.Fatal(err)
				}
			}
			r, err := trained.Export(context.Background(), dir+"/"+path, o)
			if !errors.Is(err, ErrNotEqual) || r == nil || r.Passed {
				t.Errorf("%s: %v, %+v", path, err, r)
			}
			isEmpty(t, dir)

			ctx, cancel := context.WithCancel(context.Background())
			o.Progress = func(done, total int) { cancel() }
			if _, err := trained.Export(ctx, dir+"/"+path, o); !errors.Is(err, context.Canceled) {
				t.Errorf("%s, cancelled: %v", path, err)
			}
			isEmpty(t, dir)
			cancel()
		}
	}
}

func isEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

// TestUnusualModelsExport holds what sizes that no paper has may break.
func TestUnusualModelsExport(t *testing.T) {
	orttest.Require(t)
	for _, c := range []struct {
		recipe   string
		settings []string
	}{
		{"moe-mamba-debug", []string{"d_model=19", "layers.moe.experts=1"}},
		{"moe-mamba-debug", []string{"d_model=1", "repeat=1"}},
		{"moe-mamba-debug", []string{"layers.moe={router: topk, experts: 3, top_k: 3, expert: gelu, width: 7, overflow: pass_through, capacity_factor: 1}", "head.tied=true"}},
		{"mamba-debug", []string{"layers.mamba={d_state: 1, d_conv: 1, expand: 1, dt_rank: 1, conv_bias: false, bias: true}", "final_norm=false", "head={bias: true}"}},
		{"mamba-debug", []string{"layers=[{parallel: [{mamba: {}}, {attention: {heads: 4, kv_heads: 1}}, {ff: {expert: swiglu, width: 20}}]}, {mamba: {}}]", "repeat=1"}},
		{"transformer-debug", []string{"positions={learned: 16}", "layers.attention.rope=none"}},
		{"mamba-debug", []string{"layers=[{ff: {expert: relu, width: 8, bias: true}}]"}},
	} {
		trained := briefly(t, c.recipe, c.settings...)
		for _, how := range []ExportOptions{{}, {Options: export.Options{Functions: true}}, {Options: export.Options{Compact: true, Names: export.GenAI}}} {
			if r, err := trained.Export(context.Background(), filepath.Join(t.TempDir(), "m.onnx"), how); err != nil {
				t.Errorf("%s %v, %+v: %v %+v", c.recipe, c.settings, how.Options, err, r)
			}
		}
	}
}

// TestAttentionAsAnOperator exports attention as the standard's operator of opset 23, with
// grouped heads, a window, a gate, and beside a recurrence in one layer: verified in ONNX
// Runtime in pieces, with caches, and with padding.
func TestAttentionAsAnOperator(t *testing.T) {
	orttest.Require(t)
	trained := briefly(t, "mamba-debug", "repeat=1", "layers=[{attention: {heads: 4, kv_heads: 2, window: 5, gate: true}}, "+
		"{parallel: [{mamba: {}}, {attention: {heads: 4, kv_heads: 1, rope: none}}]}, {attention: {heads: 2, scale: 0.2}}]")
	for _, o := range []export.Options{{Opset: 23}, {Opset: 24, Compact: true, Names: export.GenAI}, {Opset: 26, Functions: true}} {
		o.AttentionOperator = true
		path := filepath.Join(t.TempDir(), "m.onnx")
		if r, err := trained.Export(context.Background(), path, ExportOptions{Options: o}); err != nil {
			t.Errorf("%+v: %v %+v", o, err, r)
			continue
		}
		f, err := onnx.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		withCache, others := 0, 0
		for _, n := range f.Graph.Nodes {
			switch {
			case n.Op == "Attention" && len(n.Inputs) == 6 && len(n.Outputs) == 3:
				withCache++
			case n.Op == "Attention" || n.Op == "Softmax":
				others++
			}
		}
		if withCache != 3 || others != 0 {
			t.Errorf("%+v: %d operators with a cache, %d others", o, withCache, others)
		}
	}
	o := ExportOptions{Options: export.Options{AttentionOperator: true}}
	path := filepath.Join(t.TempDir(), "m.onnx")
	if _, err := trained.Export(context.Background(), path, o); err == nil || err.Error() != "opset 18 has no operator Attention: want 23 to 26" {
		t.Errorf("at opset 18: %v", err)
	}
}

// TestMambaTwoAsAnOperatorOfONNXRuntime exports Mamba-2 with LinearAttention of ONNX Runtime's
// own domain: ONNX Runtime, which has a kernel of it, and the evaluator, which takes the
// function in the file, both compute the model's numbers. Heads of another size keep the form
// of standard operators.
func TestMambaTwoAsAnOperatorOfONNXRuntime(t *testing.T) {
	orttest.Require(t)
	trained := briefly(t, "mamba-debug", "repeat=1", "layers=[{mamba2: {d_state: 4, head_dim: 8, groups: 2}}, "+
		"{mamba2: {d_state: 4, head_dim: 8}}, {mamba2: {d_state: 6, head_dim: 4}}, {attention: {heads: 2}}]")
	for _, o := range []export.Options{{}, {Opset: 26, Functions: true}, {Opset: 23, AttentionOperator: true}} {
		o.Contrib = true
		path := filepath.Join(t.TempDir(), "m.onnx")
		if r, err := trained.Export(context.Background(), path, ExportOptions{Options: o}); err != nil {
			t.Errorf("%+v: %v %+v", o, err, r)
			continue
		}
		m, _, err := file.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		nodes, functions := 0, 0
		for _, n := range m.Graph.Node {
			if n.Domain == "com.microsoft" && n.OpType == "LinearAttention" {
				nodes++
			}
		}
		for _, f := range m.Functions {
			if f.Domain == "com.microsoft" && f.Name == "LinearAttention" {
				functions++
			}
		}
		if nodes != 2 || functions != 1 {
			t.Errorf("%+v: %d nodes and %d functions of com.microsoft", o, nodes, functions)
		}
	}
}

package zoo_test

import (
	"context"
	"math"
	"path/filepath"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/export/ort/orttest"
	"github.com/moezoo/moezoo/graph/op"
	engine "github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/check"
	"github.com/moezoo/moezoo/zoo/recipe"
)

func forward(t *testing.T, m *zoo.Trained, n int) []float32 {
	t.Helper()
	out, err := m.Forward(context.Background(), ids(n), 1, n)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestProperty32AnOpenedRunIsTheRun: the held-out loss of the weights in memory, at the last step,
// is that of the run when it is opened, to the bit, with the bias of its router. The tensors one by
// one are compared by the property of that number in package train. Seen to fail with a bias that
// begins anew.
func TestProperty32AnOpenedRunIsTheRun(t *testing.T) {
	m := build(t, "moe-mamba-debug", "train.steps=7", "layers.moe.router={use: sigmoid, bias_rate: 0.05}", "layers.moe.top_k=2")
	set, dir := text(t, m, 60_000), filepath.Join(t.TempDir(), "run")
	d := cpu.New(1)
	defer d.Close()
	run, err := m.Train(zoo.TrainOptions{Dir: dir}, set, d)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	before, err := run.Train(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	opened, err := zoo.Open(dir, d)
	if err != nil {
		t.Fatal(err)
	}
	after, err := opened.Evaluate(context.Background(), set)
	if err != nil || math.Float64bits(after.Nats) != math.Float64bits(before.Nats) {
		t.Errorf("the held-out loss is %+v in memory, %+v opened (%v)", before, after, err)
	}
	if bias := opened.Weight("layers.1/moe/router/bias"); bias == nil || bias.F32()[0] == 0 {
		t.Errorf("the bias is %v", bias)
	}
}

// TestProperty34ExportedFilesAreTheModel: whole sequences and single steps of files in ONNX
// Runtime have the model's logits, and a file of other weights is found out. Seen to fail with a
// scan whose lowering forgets the skip weights.
func TestProperty34ExportedFilesAreTheModel(t *testing.T) {
	orttest.Require(t)
	for _, name := range []string{"moe-mamba-debug", "nemotron-3-debug", "recurrentgemma-debug"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := begun(t, build(t, name))
			path := filepath.Join(t.TempDir(), "m.onnx")
			r, err := m.Export(context.Background(), path, zoo.ExportOptions{})
			if err != nil {
				t.Fatalf("%v %+v", err, r)
			}
			stepwise(t, m, path)
			w := m.Weight("layers.0/norm/weight")
			for i := range w.F32() {
				w.F32()[i] *= 1.01
			}
			if err := m.Weights.Put("layers.0/norm/weight", w); err != nil {
				t.Fatal(err)
			}
			if r, err := m.Verify(context.Background(), path, nil); err != nil || r.Passed {
				t.Errorf("a file of other weights passes: %+v %v", r, err)
			}
		})
	}
}

// stepwise feeds a file token by token, and compares with the model on the whole sequence.
func stepwise(t *testing.T, m *zoo.Trained, path string) {
	t.Helper()
	const n = 20
	want, v := forward(t, m, n), int(m.Net.Vocabulary)
	s, err := zoo.OpenORT(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i, id := range ids(n) {
		got, err := s.Feed(context.Background(), []int64{id})
		if err != nil {
			t.Fatal(err)
		}
		for j, x := range got {
			if w := want[i*v+j]; math.Abs(float64(x-w)) > 1e-4*max(1, math.Abs(float64(w))) {
				t.Fatalf("step %d: logit %d is %v, in the whole sequence %v", i, j, x, w)
			}
		}
	}
}

// TestProperty35EveryArchitectureLearnsABatchByHeart: at the start the loss is about ln V, since
// nothing is known; after some steps on one batch it is near 0. Seen to fail without steps, and
// with a head that begins ten times as large.
func TestProperty35EveryArchitectureLearnsABatchByHeart(t *testing.T) {
	for _, name := range debugRecipes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := recipe.Load(name)
			if err != nil {
				t.Fatal(err)
			}
			first, last := byHeart(t, build(t, name), 250)
			if untrained := math.Log(float64(r.Vocabulary.Size)); math.Abs(first-untrained) > 0.5 {
				t.Errorf("the loss begins at %.3f nats, ln %d is %.3f", first, r.Vocabulary.Size, untrained)
			}
			if last > 0.05 {
				t.Errorf("the loss of a batch learnt by heart is %.3f nats", last)
			}
		})
	}
}

// byHeart trains on one batch and answers the cross-entropy at the first step and at the last.
func byHeart(t *testing.T, m *zoo.Model, steps int) (first, last float64) {
	t.Helper()
	task, err := m.Task()
	if err != nil {
		t.Fatal(err)
	}
	d := cpu.New(1)
	defer d.Close()
	adam := engine.Optimizer{AdamWSpec: op.AdamWSpec{Beta1: 0.9, Beta2: 0.99, Eps: 1e-8}, Clip: 1}
	e, err := engine.NewEngine(task, adam, engine.Sizes{Batch: 2, Context: 16, Accumulate: 1}, d)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Initialise(task.Train.Params, task.Init); err != nil {
		t.Fatal(err)
	}
	in, targets := e.Batch()
	copy(in, ids(len(in)))
	copy(targets, ids(len(in) + 1)[1:])
	for step := 1; step <= steps; step++ {
		if err := e.Accumulate(context.Background(), 0, [2]int64{1, int64(step)}); err != nil {
			t.Fatal(err)
		}
		e.Report(func(name string, v []float64) {
			if name == "cross_entropy" {
				last = v[0]
			}
		})
		if step == 1 {
			first = last
		}
		if _, err := e.Update(context.Background(), step, 1e-2*(1-float64(step-1)/float64(steps))); err != nil {
			t.Fatal(err)
		}
	}
	return first, last
}

// TestProperty36TheNumberOfThreadsChangesNoBit: the same seed gives the same losses and weights
// on 1, 2 and 4 threads. Seen to fail with sums over rows cut into parts by the number of threads.
func TestProperty36TheNumberOfThreadsChangesNoBit(t *testing.T) {
	for _, name := range debugRecipes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := cpu.New(1)
			defer d.Close()
			m, err := build(t, name).Begun(d, nil)
			if err != nil {
				t.Fatal(err)
			}
			passes(t, m, check.Determinism)
		})
	}
}

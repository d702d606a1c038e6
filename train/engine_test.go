package train

import (
	"context"
	"math"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// smallTask is a Mamba and an attention layer over a vocabulary of 11.
func smallTask(t *testing.T) *Task { return deepTask(t, 1, 11) }

// deepTask is smallTask with this many pairs of layers and another vocabulary.
func deepTask(t *testing.T, pairs int, vocabulary int64) *Task {
	t.Helper()
	m := blocks.Mamba{DModel: 8, Inner: 16, DState: 4, DConv: 4, DtRank: 1, ConvBias: true}
	n := blocks.Norm{Kind: blocks.RMSNorm, Eps: 1e-5}
	l := blocks.Norm{Kind: blocks.LayerNorm, Eps: 1e-5, Bias: true}
	a := blocks.Attention{DModel: 8, Heads: 4, KVHeads: 2, HeadDim: 2, Rope: &op.RopeSpec{Base: 10000, Dims: 2}}
	model := blocks.Model{Name: "small", Vocabulary: vocabulary, DModel: 8, FinalNorm: &n}
	for range pairs {
		model.Layers = append(model.Layers,
			blocks.Layer{Branches: []blocks.Branch{{Name: "mamba", Norm: n, Block: m}}},
			blocks.Layer{Branches: []blocks.Branch{{Name: "attention", Norm: l, Block: a}}})
	}
	train, err := model.Build(blocks.Options{Train: true, Targets: true})
	if err != nil {
		t.Fatal(err)
	}
	eval, err := model.Build(blocks.Options{Targets: true})
	if err != nil {
		t.Fatal(err)
	}
	in := blocks.Initialiser{Policy: blocks.MambaSSM, Layers: 2, Seed: 7}
	return &Task{Train: train.G, Loss: train.Loss, Layers: train.Layers, Eval: eval.G, Entropy: eval.Entropy, Init: in.Fill}
}

func fillBatch(e *Engine) {
	ids, targets := e.Batch()
	for i := range ids {
		ids[i] = int64(i * 7 % 11)
		targets[i] = int64((i*7 + 3) % 11)
	}
}

func newEngine(t *testing.T, task *Task, threads int) *Engine {
	t.Helper()
	e, err := NewEngine(task, Optimizer{AdamWSpec: op.AdamWSpec{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Decay: 0.1}, Clip: 1}, Sizes{Batch: 2, Context: 12, Accumulate: 1}, cpu.New(threads))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Initialise(task.Train.Params, task.Init); err != nil {
		t.Fatal(err)
	}
	return e
}

func loss(t *testing.T, e *Engine) float64 {
	t.Helper()
	if err := e.Accumulate(context.Background(), 0, [2]int64{}); err != nil {
		t.Fatal(err)
	}
	out := 0.0
	e.Report(func(name string, v []float64) {
		if name == "loss" {
			out = v[0]
		}
	})
	return out
}

// TestGradientsMatchCentralDifferences nudges a few elements of every parameter. The
// model computes in float32, so that differences are good to about 1e-3.
func TestGradientsMatchCentralDifferences(t *testing.T) {
	task := smallTask(t)
	e := newEngine(t, task, 1)
	fillBatch(e)
	loss(t, e)
	for _, p := range task.Train.Params {
		g, err := e.Tensor(gradient + p.Value.Name)
		if err != nil {
			t.Fatal(err)
		}
		w, _ := e.Tensor(p.Value.Name)
		largest := 0.0
		for _, x := range g.F32() {
			largest = math.Max(largest, math.Abs(float64(x)))
		}
		for _, i := range []int{0, w.Elements() / 2, w.Elements() - 1} {
			const h = 2e-3
			at := func(x float32) float64 {
				old := w.F32()[i]
				w.F32()[i] = x
				if err := e.SetTensor(p.Value.Name, w); err != nil {
					t.Fatal(err)
				}
				w.F32()[i] = old
				return loss(t, e)
			}
			x := w.F32()[i]
			want := (at(x+h) - at(x-h)) / (2 * h)
			at(x)
			if got := float64(g.F32()[i]); math.Abs(got-want) > 2e-3*math.Max(largest, 0.1) {
				t.Errorf("%s[%d]: gradient %v, difference quotient %v", p.Value.Name, i, got, want)
			}
		}
	}
}

func TestTrainingLowersTheLossAndThreadsDoNotMatter(t *testing.T) {
	var first []float64
	for _, threads := range []int{1, 2, 4} {
		task := smallTask(t)
		e := newEngine(t, task, threads)
		fillBatch(e)
		var losses []float64
		for step := 1; step <= 30; step++ {
			losses = append(losses, loss(t, e))
			if _, err := e.Update(context.Background(), step, 1e-2); err != nil {
				t.Fatal(err)
			}
		}
		if threads == 1 {
			first = losses
			if last := losses[len(losses)-1]; last > losses[0]-0.5 || math.Abs(losses[0]-math.Log(11)) > 0.5 {
				t.Errorf("loss went from %v to %v", losses[0], last)
			}
		}
		for i := range losses {
			if losses[i] != first[i] {
				t.Fatalf("%d threads: loss of step %d is %v, with one thread %v", threads, i+1, losses[i], first[i])
			}
		}
	}
}

func TestAStepWithoutAFiniteGradientChangesNothing(t *testing.T) {
	task := smallTask(t)
	e := newEngine(t, task, 1)
	fillBatch(e)
	loss(t, e)
	g, _ := e.Tensor(gradient + "head/weight")
	g.F32()[3] = float32(math.Inf(1))
	if err := e.SetTensor(gradient+"head/weight", g); err != nil {
		t.Fatal(err)
	}
	before, _ := e.Tensor("head/weight")
	norm, err := e.Update(context.Background(), 1, 1e-2)
	if err != nil || finite(norm) {
		t.Fatalf("norm %v, %v", norm, err)
	}
	params, optimizer := e.Tensors(task)
	for _, name := range append(params, optimizer...) {
		v, _ := e.Tensor(name)
		if !v.Finite() {
			t.Errorf("%s is not finite", name)
		}
	}
	after, _ := e.Tensor("head/weight")
	if string(before.Data) != string(after.Data) {
		t.Error("the weights have changed")
	}
}

func TestAStepAllocatesNothing(t *testing.T) {
	task := smallTask(t)
	e := newEngine(t, task, 2)
	fillBatch(e)
	step := 0
	if n := testing.AllocsPerRun(5, func() {
		step++
		if err := e.Accumulate(context.Background(), 0, [2]int64{}); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Update(context.Background(), step, 1e-3); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestStatesChangeOncePerStep: what a state accumulates is summed over the micro-batches of
// a step, so that four of one row change it as one of four rows does.
func TestStatesChangeOncePerStep(t *testing.T) {
	run := func(batch, accumulate int) []float32 {
		t.Helper()
		task := smallTask(t)
		g := task.Train
		state := g.Frozen("state", graph.Init{Scheme: "zeros"}, 11)
		var ids *graph.Value
		for _, v := range g.Inputs {
			if v.Name == "input_ids" {
				ids = op.Reshape(v, -1, 1)
			}
		}
		all := make([]int64, 11)
		for i := range all {
			all[i] = int64(i)
		}
		load := op.ReduceSum(op.Cast(op.Equal(ids, g.Int64s(all...)), graph.Float32), []int64{0}, false)
		fn := graph.New("update") // a state that goes down where the load is above the mean
		old, counts := fn.Input("old", graph.Float32, graph.Dims(11)), fn.Input("counts", graph.Float32, graph.Dims(11))
		fn.Output(op.Add(old, op.Scale(op.Sign(op.Sub(op.ReduceMean(counts, nil, false), counts)), 0.5)))
		task.Updates = []Update{{Param: state, Accumulate: load, Function: fn}}
		d := cpu.New(1)
		defer d.Close()
		e, err := NewEngine(task, Optimizer{AdamWSpec: op.AdamWSpec{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}}, Sizes{Batch: batch, Context: 12, Accumulate: accumulate}, d)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if err := e.Initialise(task.Train.Params, task.Init); err != nil {
			t.Fatal(err)
		}
		for step := range 3 {
			for micro := range accumulate {
				in, targets := e.Batch()
				for i := range in {
					at := step*48 + micro*batch*12 + i
					in[i], targets[i] = int64(at*at%7), int64(at%11)
				}
				if err := e.Accumulate(context.Background(), micro, [2]int64{}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := e.Update(context.Background(), step+1, 1e-3); err != nil {
				t.Fatal(err)
			}
		}
		w, err := e.Tensor("state")
		if err != nil {
			t.Fatal(err)
		}
		return w.F32()
	}
	want := run(4, 1)
	for _, s := range [][2]int{{2, 2}, {1, 4}} {
		got := run(s[0], s[1])
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%d micro-batches of %d rows: state %v, want %v", s[1], s[0], got, want)
				break
			}
		}
	}
	if want[0] == want[10] {
		t.Errorf("the state shows no load: %v", want)
	}
}

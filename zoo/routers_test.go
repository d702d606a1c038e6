package zoo_test

import (
	"bytes"
	"context"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	engine "github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/zoo"
)

// TestNoiseAndBiasesResume: a run of routers that draw noise and keep a bias, interrupted in
// the middle and gone on with on other threads, ends at the same bits.
func TestNoiseAndBiasesResume(t *testing.T) {
	for _, router := range []string{"noisy-topk", "gshard", "{use: sigmoid, bias_rate: 0.01}"} {
		settings := []string{"train.steps=10", "train.accumulate=2", "layers.moe.router=" + router, "layers.moe.top_k=2"}
		weights := func(threads int, stops ...int) map[string][]byte {
			m := build(t, "moe-mamba-debug", settings...)
			set, dir := text(t, m, 60_000), filepath.Join(t.TempDir(), "run")
			for i, stop := range append(stops, 1000) {
				d := cpu.New(threads + i)
				ctx, cancel := context.WithCancel(context.Background())
				run, err := m.Train(zoo.TrainOptions{Dir: dir, Resume: i > 0, Progress: func(p engine.Progress) {
					if p.Step == stop {
						cancel()
					}
				}}, set, d)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := run.Train(ctx); (err != nil) != (stop < 1000) {
					t.Fatalf("stop at %d: %v", stop, err)
				}
				run.Close()
				cancel()
				d.Close()
			}
			d := cpu.New(1)
			defer d.Close()
			trained, err := zoo.Open(dir, d)
			if err != nil {
				t.Fatal(err)
			}
			task, err := m.Task()
			if err != nil {
				t.Fatal(err)
			}
			out := map[string][]byte{}
			for _, p := range task.Train.Params {
				out[p.Value.Name] = trained.Weight(p.Value.Name).Data
			}
			return out
		}
		whole, parts := weights(2), weights(1, 4)
		for name, w := range whole {
			if !bytes.Equal(w, parts[name]) {
				t.Errorf("%s: %s differs after an interruption", router, name)
			}
		}
		if bias := whole["layers.1/moe/router/bias"]; router[0] == '{' && bytes.Equal(bias, make([]byte, len(bias))) {
			t.Error("the bias never moved")
		}
	}
}

// TestLossesDoNotDependOnMicroBatches: four sequences in one micro-batch and in four give the
// same losses, gradients and loads, where balance is of each sequence. Seen to fail with balance
// of the micro-batch (per_layer_sum), whose mean over parts is another number.
func TestLossesDoNotDependOnMicroBatches(t *testing.T) {
	for _, router := range []string{"{use: switch, balance: 1, z_loss: 0.1}", "{use: topk, balance: 1, z_loss: 0.1}", "{use: sigmoid, balance: 1, z_loss: 0.1, n_group: 2, topk_group: 1}"} {
		m := build(t, "moe-mamba-debug", "balance=per_sequence", "layers.moe.top_k=2", "layers.moe.router="+router)
		whole, parts := microBatches(t, m, 1), microBatches(t, m, 4)
		for name, a := range whole {
			b := parts[name]
			worst, largest := 0.0, 1e-6
			for i := range a {
				worst, largest = max(worst, math.Abs(a[i]-b[i])), max(largest, math.Abs(a[i]))
			}
			if len(a) != len(b) || worst > 1e-4*largest {
				t.Errorf("%s: %s differs by %.2g of its largest number between one micro-batch and four", router, name, worst/largest)
			}
		}
	}
}

// microBatches are the reports and gradients of a step of four sequences in n parts.
func microBatches(t *testing.T, m *zoo.Model, n int) map[string][]float64 {
	t.Helper()
	const rows, l = 4, 12
	task, err := m.Task()
	if err != nil {
		t.Fatal(err)
	}
	d := cpu.New(1)
	defer d.Close()
	e, err := engine.NewEngine(task, engine.Optimizer{}, engine.Sizes{Batch: rows / n, Context: l, Accumulate: n}, d)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Initialise(task.Train.Params, task.Init); err != nil {
		t.Fatal(err)
	}
	all := ids(rows*l + 1)
	for micro := range n {
		in, targets := e.Batch()
		copy(in, all[micro*len(in):])
		copy(targets, all[micro*len(in)+1:])
		if err := e.Accumulate(context.Background(), micro, [2]int64{0, int64(micro)}); err != nil {
			t.Fatal(err)
		}
	}
	out := map[string][]float64{}
	e.Report(func(name string, v []float64) { out[name] = slices.Clone(v) })
	for _, p := range task.Train.Params {
		if p.Frozen {
			continue
		}
		g, err := e.Tensor("gradient/" + p.Value.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range g.F32() {
			out["gradient of "+p.Value.Name] = append(out["gradient of "+p.Value.Name], float64(x))
		}
	}
	return out
}

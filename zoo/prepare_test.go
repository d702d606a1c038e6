package zoo_test

import (
	"bytes"
	"context"
	"math"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	engine "github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/zoo"
)

// TestPreparedWeightsKeepEveryBit: steps of several micro-batches cut weights into panels and
// round them once, and end with the bits of steps that do so in each micro-batch, which is
// what they fall back to under a limit of memory before they compute anything twice.
func TestPreparedWeightsKeepEveryBit(t *testing.T) {
	for _, precision := range []string{"fp32", "bf16"} {
		// 60 tokens in each of 2 micro-batches, about 15 an expert
		m := build(t, "moe-mamba-debug", "d_model=48", "train.batch=2", "train.context=30", "train.accumulate=3", "train.precision="+precision)
		d := cpu.New(2)
		defer d.Close()
		plan, all, err := m.Plan(d, 0)
		if err != nil {
			t.Fatal(err)
		}
		if all.Prepared == 0 || all.Recompute != "" {
			t.Fatalf("%s: %d bytes are prepared, computes %q twice", precision, all.Prepared, all.Recompute)
		}
		panels := 0
		for _, v := range plan.Graph.Inputs {
			if strings.Contains(v.Name, "/panels") {
				panels++
			}
		}
		if precision == "fp32" && panels == 0 {
			t.Errorf("no product reads panels")
		}
		_, none, err := m.Plan(d, all.Total()-1)
		if err != nil {
			t.Fatal(err)
		}
		// In bf16 the rounded weights take as much when they are made anew.
		if none.Prepared != 0 || precision == "fp32" && none.Recompute != "" {
			t.Errorf("%s, a byte less: %d bytes are prepared, computes %q twice", precision, none.Prepared, none.Recompute)
		}
		want, got := threeSteps(t, m, d, 0), threeSteps(t, m, d, all.Total()-1)
		for name := range want {
			if !bytes.Equal(got[name], want[name]) {
				t.Errorf("%s: %s has other bits", precision, name)
			}
		}
	}
}

func TestAStepWithExpertsAllocatesNothing(t *testing.T) {
	for _, precision := range []string{"fp32", "bf16"} {
		m := build(t, "moe-mamba-debug", "layers.moe.router=topk", "train.batch=2", "train.context=16", "train.accumulate=2", "train.precision="+precision)
		d := cpu.New(2)
		defer d.Close()
		e := newEngine(t, m, d, 0)
		defer e.Close()
		step := 0
		if n := testing.AllocsPerRun(5, func() {
			step++
			trainStep(t, e, step, 2)
		}); n > 0 {
			t.Errorf("%s: %v allocations", precision, n)
		}
	}
}

// threeSteps trains under a limit of memory and answers the weights.
func threeSteps(t *testing.T, m *zoo.Model, d *cpu.Device, limit int) map[string][]byte {
	t.Helper()
	e := newEngine(t, m, d, limit)
	defer e.Close()
	for step := 1; step <= 3; step++ {
		trainStep(t, e, step, int(m.Recipe.Train.Accumulate))
	}
	weights := map[string][]byte{}
	params, _ := e.Tensors(task(t, m))
	for _, name := range params {
		w, err := e.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		weights[name] = w.Data
	}
	return weights
}

func task(t testing.TB, m *zoo.Model) *engine.Task {
	t.Helper()
	task, err := m.Task()
	if err != nil {
		t.Fatal(err)
	}
	return task
}

func newEngine(t testing.TB, m *zoo.Model, d *cpu.Device, limit int) *engine.Engine {
	t.Helper()
	task := task(t, m)
	sizes, adam, _ := zoo.Settings(m.Recipe)
	sizes.Memory = limit
	e, err := engine.NewEngine(task, adam, sizes, d)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Initialise(task.Train.Params, task.Init); err != nil {
		t.Fatal(err)
	}
	return e
}

// trainStep makes a step on tokens that depend on its number.
func trainStep(t testing.TB, e *engine.Engine, step, accumulate int) {
	t.Helper()
	ids, targets := e.Batch()
	for micro := range accumulate {
		for i := range ids {
			ids[i], targets[i] = int64((i*31+step*7+micro*13)%251), int64((i*17+micro)%251)
		}
		if err := e.Accumulate(context.Background(), micro, [2]int64{1, int64(step)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Update(context.Background(), step, 1e-2); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkMicroBatches makes steps of eight micro-batches of 256 tokens, 32 an expert.
func BenchmarkMicroBatches(b *testing.B) {
	m := build(b, "moe-mamba-tiny", "d_model=256", "repeat=2", "train.batch=2", "train.context=128", "train.accumulate=8")
	d := cpu.New(0)
	defer d.Close()
	_, all, err := m.Plan(d, 0)
	if err != nil {
		b.Fatal(err)
	}
	for _, limit := range []int{0, all.Total() - 1} {
		name := "prepared"
		if limit > 0 {
			name = "anew"
		}
		b.Run(name, func(b *testing.B) { benchmarkSteps(b, m, d, limit) })
	}
}

// TestLongPromptsReadWeightsInPanels that are cut when the first long prompt comes, and give
// what short pieces give.
func TestLongPromptsReadWeightsInPanels(t *testing.T) {
	m := build(t, "moe-mamba-debug", "d_model=48", "layers.moe.experts=8")
	d := cpu.New(2)
	defer d.Close()
	e := newEngine(t, m, d, 0)
	defer e.Close()
	var logits [2][]float32
	for i, pieces := range [][]int{{1024, 1}, {64, 448, 448, 64, 1}} {
		dec, err := zoo.NewDecoder(m.Net, 1, d, zoo.WeightsOf(e.Buffer))
		if err != nil {
			t.Fatal(err)
		}
		defer dec.Close()
		all := ids(1025)
		for _, n := range pieces {
			if logits[i], err = dec.Feed(context.Background(), all[:n]); err != nil {
				t.Fatal(err)
			}
			all = all[n:]
		}
		if got := dec.Panels(); (got == 4) != (i == 0) { // two matrices of each of two layers
			t.Errorf("pieces %v: %d weights are in panels", pieces, got)
		}
	}
	for i, x := range logits[0] {
		if y := logits[1][i]; math.Abs(float64(x-y)) > 1e-4*(1+math.Abs(float64(y))) {
			t.Fatalf("logit %d is %v, fed in short pieces %v", i, x, y)
		}
	}
}

package train

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/graph/op"
)

// TestRecomputingSavesMemoryAndKeepsEveryBit trains under tighter and tighter limits.
func TestRecomputingSavesMemoryAndKeepsEveryBit(t *testing.T) {
	task := deepTask(t, 4, 11)
	sizes := Sizes{Batch: 4, Context: 64, Accumulate: 2}
	d := cpu.New(2)
	defer d.Close()
	train := func(limit int) (*Engine, [][]byte) {
		t.Helper()
		sizes.Memory = limit
		e, err := NewEngine(task, Optimizer{AdamWSpec: op.AdamWSpec{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Decay: 0.1}, Clip: 1}, sizes, d)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if err := e.Initialise(task.Train.Params, task.Init); err != nil {
			t.Fatal(err)
		}
		for step := 1; step <= 3; step++ {
			for micro := range 2 {
				fillBatch(e)
				if err := e.Accumulate(context.Background(), micro, [2]int64{}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := e.Update(context.Background(), step, 1e-2); err != nil {
				t.Fatal(err)
			}
		}
		var weights [][]byte
		for _, p := range task.Train.Params {
			w, err := e.Tensor(p.Value.Name)
			if err != nil {
				t.Fatal(err)
			}
			weights = append(weights, w.Data)
		}
		return e, weights
	}
	_, all, err := Plan(task, sizes, d)
	if err != nil {
		t.Fatal(err)
	}
	free, want := train(0)
	if free.Recompute() != "" {
		t.Errorf("without a limit: computes %s again", free.Recompute())
	}
	seen := map[string]bool{}
	for limit := all.Total(); ; limit -= all.Arena / 10 {
		sizes.Memory = limit
		_, m, err := Plan(task, sizes, d)
		if tooLarge := (*TooLarge)(nil); errors.As(err, &tooLarge) {
			if tooLarge.Limit != limit || tooLarge.Need <= limit {
				t.Errorf("limit %d: %+v", limit, tooLarge)
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if m.Total() > limit {
			t.Errorf("limit %d: takes %d", limit, m.Total())
		}
		if seen[m.Recompute] {
			continue
		}
		seen[m.Recompute] = true
		e, got := train(limit)
		if e.Recompute() != m.Recompute {
			t.Errorf("limit %d: %q was planned, %q is done", limit, m.Recompute, e.Recompute())
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("parameter %s has other bits when computing %s again", task.Train.Params[i].Value.Name, m.Recompute)
			}
		}
	}
	if len(seen) < 3 {
		t.Errorf("only these were tried: %v", seen)
	}
}

// TestPlannedMemoryIsTheEngines to the byte, but for what goes in and out at every step.
func TestPlannedMemoryIsTheEngines(t *testing.T) {
	task := deepTask(t, 2, 2000) // most of it is weights, so that gradients that wait for their sums show
	d := cpu.New(2)
	defer d.Close()
	for _, sizes := range []Sizes{
		{Batch: 2, Context: 16, Accumulate: 1},
		{Batch: 2, Context: 16, Accumulate: 3},
		{Batch: 2, Context: 16, Accumulate: 3, BFloat16: true},
		{Batch: 2, Context: 16, Accumulate: 3, Memory: 1 << 40},
	} {
		_, m, err := Plan(task, sizes, d)
		if err != nil {
			t.Fatal(err)
		}
		if sizes.Memory > 0 { // one byte less than everything takes
			sizes.Memory = m.Total() - 1
			if _, m, err = Plan(task, sizes, d); err != nil {
				t.Fatal(err)
			}
		}
		e, err := NewEngine(task, Optimizer{Clip: 1}, sizes, d)
		if err != nil {
			t.Fatal(err)
		}
		planned, taken := m.Total()-m.Process, e.Bytes()
		e.Close()
		if between := 64 + 2*8*sizes.Batch*sizes.Context; taken < planned || taken > planned+between {
			t.Errorf("%+v: %d bytes are planned, %d taken", sizes, planned, taken)
		}
	}
}

// TestGradientsAreAddedAsTheyCome: a later micro-batch has room for the largest gradient, not
// for all of them.
func TestGradientsAreAddedAsTheyCome(t *testing.T) {
	const vocabulary = 4000
	task := deepTask(t, 1, vocabulary) // embedding and head are nearly all of it
	d := cpu.New(1)
	defer d.Close()
	e := &Engine{device: d, sizes: Sizes{Batch: 1, Context: 1, Accumulate: 2}, params: trainable(task)}
	m, err := e.gradientPlans(task, saving{})
	if err != nil {
		t.Fatal(err)
	}
	largest, all := 4*8*vocabulary, standing(task).Gradients
	if more := m.following.Arena - m.first.Arena; more > largest+largest/4 {
		t.Errorf("a later micro-batch takes %d bytes more than the first; the largest gradient takes %d, all of them %d", more, largest, all)
	}
}

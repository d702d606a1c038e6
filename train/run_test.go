package train

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/train/checkpoint"
	"github.com/moezoo/moezoo/train/metrics"
)

// records are the lines of a run's metric file.
func records(t *testing.T, dir string) (all []map[string]any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, metrics.File))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(raw) {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, m)
	}
	return all
}

// finish trains a run to its end.
func finish(t *testing.T, dir string, change func(*Config)) *Run {
	t.Helper()
	r, err := resumableWith(t, dir, change)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Train(context.Background()); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRecordsAreMeansOverTheMicroBatchesOfAStep: two of one row and one of two rows are the
// same step, and what is recorded of it is what the progress says.
func TestRecordsAreMeansOverTheMicroBatchesOfAStep(t *testing.T) {
	whole, parts := t.TempDir(), t.TempDir()
	finish(t, whole, func(*Config) {})
	var said []float64
	finish(t, parts, func(c *Config) {
		c.Sizes = Sizes{Batch: 1, Context: 12, Accumulate: 2}
		c.Progress = func(p Progress) { said = append(said, p.Loss) }
	})
	a, b := records(t, whole), records(t, parts)
	if len(a) != 6 || len(b) != 6 {
		t.Fatalf("%d and %d records of six steps", len(a), len(b))
	}
	for i := range a {
		one, two := a[i]["loss"].(float64), b[i]["loss"].(float64)
		if two != said[i] || math.Abs(one-two) > 1e-5+1e-4*one || a[i]["tokens"] != b[i]["tokens"] {
			t.Errorf("step %d: %v; in two parts %v, and %v was said", i+1, a[i], b[i], said[i])
		}
	}
}

// TestTheBestAndTheLastCheckpointsAreKept: an evaluation better than all before is saved, also
// where no save is due.
func TestTheBestAndTheLastCheckpointsAreKept(t *testing.T) {
	kept := func(change func(*Config)) []int {
		t.Helper()
		dir := t.TempDir()
		r, err := resumableWith(t, dir, func(c *Config) {
			c.Schedule.LR, c.Schedule.Steps, c.EvalEvery, c.SaveEvery, c.KeepLast = 1e-2, 9, 1, 4, 1
			change(c)
		})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		r.cfg.Progress = func(p Progress) {
			if p.Step == 5 { // from here on nothing gets better
				r.state.Best, r.state.BestStep = 0, 5
			}
		}
		if _, err := r.Train(context.Background()); err != nil {
			t.Fatal(err)
		}
		if best, _ := r.Best(); best != 5 {
			t.Errorf("the best step is %d", best)
		}
		steps, err := checkpoint.Steps(dir)
		if err != nil {
			t.Fatal(err)
		}
		return steps
	}
	if got := kept(func(c *Config) { c.KeepBest = true }); !slices.Equal(got, []int{5, 9}) {
		t.Errorf("kept %v, want the best and the last", got)
	}
	if got := kept(func(*Config) {}); !slices.Equal(got, []int{9}) {
		t.Errorf("kept %v, want the last", got)
	}
	if got := kept(func(c *Config) { c.KeepLast = 2 }); !slices.Equal(got, []int{8, 9}) {
		t.Errorf("kept %v, want the last two", got)
	}
}

// TestAnInterruptedEvaluationIsMadeUpFor: the resumed run has the best loss that an
// undisturbed one has.
func TestAnInterruptedEvaluationIsMadeUpFor(t *testing.T) {
	settings := func(c *Config) { c.EvalEvery, c.SaveEvery, c.KeepBest = 3, 6, true }
	whole, stopped := t.TempDir(), t.TempDir()
	finish(t, whole, settings)
	r, err := resumableWith(t, stopped, settings)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cfg.Progress = func(p Progress) {
		if p.Step == 2 {
			cancel()
		}
	}
	if _, err := r.Train(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	// The next step runs to its end whatever happens; its evaluation does not.
	r.cfg.Progress = nil
	p, err := r.step()
	if err != nil {
		t.Fatal(err)
	}
	if last, err := r.after(ctx, p, nil, 0); last != nil || err != nil {
		t.Fatalf("%v, %v", last, err)
	}
	if err := r.Save(); err != nil {
		t.Fatal(err)
	}
	r.Close()
	finish(t, stopped, func(c *Config) { settings(c); c.Resume = true })
	if ending(t, whole) != ending(t, stopped) {
		t.Error("the runs end differently")
	}
	if a, b := evaluations(t, whole), evaluations(t, stopped); len(a) != 4 || !slices.Equal(a, b) {
		t.Errorf("evaluations %v, of the interrupted run %v", a, b)
	}
}

// evaluations are the steps and the losses that a run has recorded of held-out text.
func evaluations(t *testing.T, dir string) (out []any) {
	t.Helper()
	for _, m := range records(t, dir) {
		if x, ok := m["held_out_loss"]; ok {
			out = append(out, m["step"], x)
		}
	}
	return out
}

// weights are those that a run ends with.
func weights(t *testing.T, dir string) string {
	t.Helper()
	c, err := checkpoint.Open(dir, 6)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := c.Read(ModelFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// endingSoon is a context that ends when it has been asked so many times.
type endingSoon struct {
	context.Context
	asked int
}

func (c *endingSoon) Err() error {
	if c.asked--; c.asked < 0 {
		return context.Canceled
	}
	return nil
}

// TestWhereverARunIsStoppedItSaysSoAndGoesOn stops a run whenever it asks whether to: in steps
// and in evaluations, the last one among them. What continues it is stopped there, too, and the
// second time without saving.
func TestWhereverARunIsStoppedItSaysSoAndGoesOn(t *testing.T) {
	settings := func(c *Config) { c.EvalEvery, c.SaveEvery = 3, 6 }
	whole := t.TempDir()
	finish(t, whole, settings)
	want, last := evaluations(t, whole), false
	for asked := 0; !last; asked += 17 { // about a hundred times in an evaluation
		dir := t.TempDir()
		r, err := resumableWith(t, dir, settings)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Train(&endingSoon{context.Background(), asked})
		r.Close()
		if last = err == nil; !last {
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			again := func(c *Config) { settings(c); c.Resume = true }
			if r, err = resumableWith(t, dir, again); err != nil {
				t.Fatal(err)
			}
			if _, err = r.owed(context.Background()); err != nil { // and killed
				t.Fatal(err)
			}
			r.Close()
			finish(t, dir, again)
		}
		if got := evaluations(t, dir); !slices.Equal(got, want) || weights(t, dir) != weights(t, whole) {
			t.Errorf("stopped when asked %d times: evaluations %v, want %v", asked, got, want)
		}
		if asked > 1000 {
			t.Fatal("it never ends")
		}
	}
}

// TestARunMayBeginWithTheWeightsOfAnother: only with the weights; and only with all of them.
func TestARunMayBeginWithTheWeightsOfAnother(t *testing.T) {
	dir := trained(t)
	weights := filepath.Join(dir, "checkpoints", checkpoint.Name(6), ModelFile)
	r, err := resumableWith(t, t.TempDir(), func(c *Config) { c.InitFrom, c.Seed = weights, 9 })
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	old, err := resumable(t, dir, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	params, optimizer := r.engine.Tensors(r.task)
	for _, name := range params {
		a, _ := r.engine.Tensor(name)
		b, _ := old.engine.Tensor(name)
		if !bytes.Equal(a.Data, b.Data) {
			t.Errorf("%s differs", name)
		}
	}
	for _, name := range optimizer {
		if m, _ := r.engine.Tensor(name); slices.ContainsFunc(m.F32(), func(x float32) bool { return x != 0 }) {
			t.Errorf("%s is not new", name)
		}
	}
	if r.Step() != 0 {
		t.Errorf("at step %d", r.Step())
	}
	moments := filepath.Join(filepath.Dir(weights), OptimizerFile)
	if _, err := resumableWith(t, t.TempDir(), func(c *Config) { c.InitFrom = moments }); err == nil || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("weights of another model: %v", err)
	}
}

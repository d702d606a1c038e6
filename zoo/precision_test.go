package zoo_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/data"
	engine "github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/zoo"
)

// TestMixedGradientsAreCloseToThoseOfFloat32 compares all gradients of one batch. bfloat16
// has 8 bits: one rounded product is off by some 0.4 %, what passes through all layers by a few
// times that, and a ReLU near zero may open or close. Where routers choose, tokens near a tie
// go to other experts: there every gradient must be finite.
func TestMixedGradientsAreCloseToThoseOfFloat32(t *testing.T) {
	type model struct {
		name     string
		settings []string
	}
	models := []model{
		{"transformer-debug", []string{"head.tied=true"}},
		{"moe-mamba-debug", []string{"layers.moe.router=hash", "layers.moe.expert={use: swiglu, bias: true}"}},
	}
	for _, name := range debugRecipes() {
		models = append(models, model{name, nil})
	}
	for _, c := range models {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := build(t, c.name, c.settings...)
			task, err := m.Task()
			if err != nil {
				t.Fatal(err)
			}
			counts, err := m.Net.Count(1)
			if err != nil {
				t.Fatal(err)
			}
			chooses := counts.Active < counts.Total && len(c.settings) == 0 // but by hash
			d := cpu.New(1)
			defer d.Close()
			gradients := func(rounded bool) map[string][]float32 {
				e, err := engine.NewEngine(task, engine.Optimizer{}, engine.Sizes{Batch: 2, Context: 32, Accumulate: 1, BFloat16: rounded}, d)
				if err != nil {
					t.Fatal(err)
				}
				defer e.Close()
				if err := e.Initialise(task.Train.Params, task.Init); err != nil {
					t.Fatal(err)
				}
				in, targets := e.Batch()
				copy(in, ids(64))
				copy(targets, ids(65)[1:])
				if err := e.Accumulate(context.Background(), 0, [2]int64{}); err != nil {
					t.Fatal(err)
				}
				out := map[string][]float32{}
				for _, p := range task.Train.Params {
					if g, err := e.Tensor("gradient/" + p.Value.Name); err == nil {
						out[p.Value.Name] = g.F32()
					}
				}
				return out
			}
			whole, rounded := gradients(false), gradients(true)
			for name, want := range whole {
				var distance, length float64
				for i, w := range want {
					g := float64(rounded[name][i])
					distance += (g - float64(w)) * (g - float64(w))
					length += float64(w) * float64(w)
				}
				if math.IsNaN(distance) || math.IsInf(distance, 0) {
					t.Errorf("the gradient of %s is not finite", name)
				}
				if length == 0 && distance == 0 { // behind a matrix that starts at zero
					continue
				}
				if off := math.Sqrt(distance / length); !chooses && (!(off <= 0.1) || off == 0) {
					t.Errorf("the gradient of %s is off by %.2g of its length, want at most 0.1, and a difference", name, off)
				}
			}
		})
	}
}

// TestMixedTrainingFollowsFloat32 trains both ways; and what is promised of bits holds for
// bfloat16, too: any number of threads, and interrupted or not.
func TestMixedTrainingFollowsFloat32(t *testing.T) {
	settings := []string{"train.steps=80", "train.batch=4", "train.context=64", "train.save_every=20"}
	whole := build(t, "moe-mamba-debug", settings...)
	m := build(t, "moe-mamba-debug", append(settings, "train.precision=bf16")...)
	set := text(t, m, 200_000)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	train(t, whole, set, at("fp32"), 2)
	train(t, m, set, at("one"), 1)
	train(t, m, set, at("two"), 2)
	interrupted(t, m, set, at("interrupted"), 33)

	d := cpu.New(2)
	defer d.Close()
	loss := func(name string) float64 {
		run, err := zoo.Open(at(name), d)
		if err != nil {
			t.Fatal(err)
		}
		e, err := run.Evaluate(context.Background(), set)
		if err != nil {
			t.Fatal(err)
		}
		return e.Nats
	}
	if a, b := loss("fp32"), loss("one"); math.Abs(a-b) > 0.03 || a == b {
		t.Errorf("held-out loss %v, in fp32 %v", b, a)
	}
	want := model(t, at("one"))
	for _, name := range []string{"two", "interrupted"} {
		if !bytes.Equal(model(t, at(name)), want) {
			t.Errorf("%s: other weights than with one thread and without interruption", name)
		}
	}

	// A run of one precision is no run of the other: what a checkpoint was trained on says so.
	state, err := os.ReadFile(checkpointFile(t, at("one"), "state.json"))
	if err != nil || !bytes.Contains(state, []byte("+bf16")) {
		t.Errorf("the checkpoint's state %s (%v) does not tell the precision", state, err)
	}
}

// interrupted ends a run at a step and resumes it.
func interrupted(t *testing.T, m *zoo.Model, set *data.Set, dir string, step int) {
	t.Helper()
	d := cpu.New(1)
	defer d.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	run, err := m.Train(zoo.TrainOptions{Dir: dir, Progress: func(p engine.Progress) {
		if p.Step == step {
			cancel()
		}
	}}, set, d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run.Train(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted: %v", err)
	}
	run.Close()
	if run, err = m.Train(zoo.TrainOptions{Dir: dir, Resume: true}, set, d); err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	if _, err := run.Train(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// model is the file of the weights after the last step.
func model(t *testing.T, dir string) []byte {
	t.Helper()
	raw, err := os.ReadFile(checkpointFile(t, dir, engine.ModelFile))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// checkpointFile is a file of a run's newest checkpoint.
func checkpointFile(t *testing.T, dir, name string) string {
	t.Helper()
	latest, err := os.ReadFile(filepath.Join(dir, "latest"))
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "checkpoints", string(bytes.TrimSpace(latest)), name)
}

package zoo_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/plugins/plugintest"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// denseRun trains a model with dense layers for a few steps, so that no weight is as it began.
func denseRun(t *testing.T, name string, settings ...string) string {
	t.Helper()
	m := build(t, name, append(settings, "train.steps=3", "train.batch=2", "train.context=16", "train.warmup=1")...)
	dir := filepath.Join(t.TempDir(), "dense")
	train(t, m, text(t, m, 4000), dir, 2)
	return dir
}

func upcycle(t *testing.T, dense string, o zoo.UpcycleOptions) (*zoo.Upcycled, string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "moe")
	u, err := zoo.Upcycle(context.Background(), dense, out, o, plugintest.Host(t))
	if err != nil {
		t.Fatal(err)
	}
	return u, out
}

// apart is the largest difference between the logits of two runs.
func apart(t *testing.T, a, b string) float64 {
	t.Helper()
	var logits [2][]float32
	for i, dir := range []string{a, b} {
		d := cpu.New(2)
		defer d.Close()
		m, err := zoo.Open(dir, d)
		if err != nil {
			t.Fatal(err)
		}
		ids := make([]int64, 2*12)
		for j := range ids {
			ids[j] = int64(j*j*17+j*5) % m.Recipe.Vocabulary.Size
		}
		if logits[i], err = m.Forward(context.Background(), ids, 2, 12); err != nil {
			t.Fatal(err)
		}
	}
	worst := 0.0
	for i, x := range logits[0] {
		worst = math.Max(worst, math.Abs(float64(x-logits[1][i])))
	}
	return worst
}

func topk(experts, k int64) recipe.Upcycling {
	return recipe.Upcycling{Router: recipe.Use{Name: "topk"}, Experts: experts, TopK: k}
}

// Copies weighed to a sum of 1 are the dense layer, which is property 17 of a whole run. The
// products are grouped and added in another order, which float32 shows in its last digits:
// logits are of the size of 1.
func TestUpcycledRunsComputeWhatTheDenseOneDid(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings []string
	}{
		{"mamba-mlp-debug", nil},
		{"mamba-mlp-debug", []string{"layers.ff={expert: gelu, width: 2x, bias: true}"}},
		{"mamba-mlp-debug", []string{"repeat=2", "layers=[{parallel: [{mamba: {}}, {ff: {expert: swiglu, width: 20}}]}]"}},
		{"bamba-debug", nil},
		{"nemotron-h-debug", nil},
	} {
		dense := denseRun(t, c.name, c.settings...)
		for _, k := range []int64{1, 2} {
			u, moe := upcycle(t, dense, zoo.UpcycleOptions{Upcycling: topk(3, k)})
			if len(u.Layers) == 0 {
				t.Errorf("%s: no layer became experts", c.name)
			}
			if d := apart(t, dense, moe); !(d <= 1e-5) {
				t.Errorf("%s %v, %d of 3 experts: logits differ by %g", c.name, c.settings, k, d)
			}
		}
		if _, moe := upcycle(t, dense, zoo.UpcycleOptions{Upcycling: topk(3, 2), Noise: 0.1}); apart(t, dense, moe) < 1e-3 {
			t.Errorf("%s: noise changes nothing", c.name)
		}
	}
}

// A run with experts trains on, and repeats bit by bit.
func TestUpcycledRunsTrainOn(t *testing.T) {
	dense := denseRun(t, "mamba-mlp-debug")
	o := zoo.UpcycleOptions{Upcycling: topk(4, 2), Noise: 0.01, Settings: []string{"train.lr=1e-3"}}
	o.Router.Name = "sigmoid"
	u, first := upcycle(t, dense, o)
	_, second := upcycle(t, dense, o)
	if d := apart(t, first, second); d != 0 {
		t.Errorf("made twice, the run differs by %g", d)
	}
	d := cpu.New(2)
	defer d.Close()
	dir := filepath.Join(t.TempDir(), "trained")
	run, err := u.Train(zoo.TrainOptions{Dir: dir, InitFrom: first}, text(t, u.Model, 4000), d)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	if e, err := run.Train(context.Background()); err != nil || math.IsNaN(e.Nats) {
		t.Fatal(e, err)
	}
	if apart(t, first, dir) == 0 {
		t.Error("training changed nothing")
	}
}

func TestUpcyclingOfSomeLayers(t *testing.T) {
	dense := denseRun(t, "mamba-mlp-debug", "repeat=3")
	o := zoo.UpcycleOptions{Upcycling: topk(2, 1)}
	o.Layers = []int{3}
	u, moe := upcycle(t, dense, o)
	kinds := ""
	for _, l := range u.Recipe.Layers {
		kinds += " " + l.Blocks[0].Kind()
	}
	if want := " mamba ff mamba moe mamba ff"; kinds != want {
		t.Errorf("layers are%s, want%s", kinds, want)
	}
	if d := apart(t, dense, moe); !(d <= 1e-5) {
		t.Errorf("logits differ by %g", d)
	}
}

func TestUpcyclingRefuses(t *testing.T) {
	dense := denseRun(t, "mamba-mlp-debug")
	pure := denseRun(t, "mamba-debug")
	some := topk(2, 1)
	some.Layers = []int{0}
	odd := topk(2, 1)
	odd.Router.Name = "no such: name"
	for _, c := range []struct {
		run  string
		o    zoo.UpcycleOptions
		want string
	}{
		{pure, zoo.UpcycleOptions{Upcycling: topk(2, 1)}, "has no dense layer"},
		{dense, zoo.UpcycleOptions{Upcycling: some}, "layer 0 of mamba-mlp-debug is no dense layer: there is 1, 3"},
		{dense, zoo.UpcycleOptions{Upcycling: topk(2, 3)}, "top_k"},
		{dense, zoo.UpcycleOptions{Upcycling: odd}, "is no name of a variant"},
		{dense, zoo.UpcycleOptions{Upcycling: topk(2, 1), Noise: math.NaN()}, "noise is NaN"},
		{dense, zoo.UpcycleOptions{Upcycling: topk(2, 1), Settings: []string{"d_model=8"}}, "has the shape"},
	} {
		out := filepath.Join(t.TempDir(), "moe")
		_, err := zoo.Upcycle(context.Background(), c.run, out, c.o, plugintest.Host(t))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want an error with %q", err, c.want)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s: something remains", c.want)
		}
	}
}

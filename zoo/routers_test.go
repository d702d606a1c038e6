package zoo_test

import (
	"bytes"
	"context"
	"path/filepath"
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

package bench_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/bench"
	"github.com/moezoo/moezoo/data"
	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/zoo"
)

// trained trains a model for a step.
func trained(t *testing.T, name string, d *cpu.Device) (*zoo.Trained, *data.Set) {
	t.Helper()
	m, err := build(name, "train.steps=1", "train.batch=1", "data.holdout=0.001")
	if err != nil {
		t.Fatal(err)
	}
	docs, err := corpus.Read(nil, corpus.DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	set, err := m.Data(t.Context(), docs)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "run")
	run, err := m.Train(zoo.TrainOptions{Dir: dir}, set, d)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	if _, err := run.Train(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, err := zoo.Open(dir, d)
	if err != nil {
		t.Fatal(err)
	}
	return out, set
}

// TestContextsMeasureFlatAndGrowingStates: a Mamba's state has one size, a Transformer's cache
// has room for the context and doubles with it. What is read ends where reading would take long.
func TestContextsMeasureFlatAndGrowingStates(t *testing.T) {
	d := cpu.New(1)
	defer d.Close()
	contexts := []int{8, 256, 1024, 2048, 16384}
	for name, grows := range map[string]bool{"mamba-debug": false, "transformer-debug": true} {
		m, set := trained(t, name, d)
		dec, err := m.Decoder(1)
		if err != nil {
			t.Fatal(err)
		}
		got, err := bench.Contexts(context.Background(), m.Model, dec, set.Held, d, contexts, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Contexts) != 5 || got.Model != name || got.Repeats != 3 || got.Read != 8192 || dec.Length() != 16384 {
			t.Errorf("%d tokens: %+v", dec.Length(), got)
		}
		if o := got.Others; o != nil && !(*o >= 0 && *o <= 1) {
			t.Errorf("others took %v of the processors", *o)
		}
		for i, b := range got.StateBytes {
			if !(got.Best[i] > 0 && got.Median[i] >= got.Best[i]) {
				t.Errorf("%s: %v, %v ms", name, got.Best, got.Median)
			}
			want := got.StateBytes[0]
			if grows {
				want *= max(contexts[i], 256) / 256 // where capacities begin
			}
			if b != want {
				t.Errorf("%s at context %d: a state of %d bytes, want %d", name, contexts[i], b, want)
			}
		}
		dec.Close()
	}
}

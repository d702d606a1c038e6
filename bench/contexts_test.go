package bench_test

import (
	"context"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/bench"
)

// TestContextsMeasureFlatAndGrowingStates: a Mamba's state has one size, a Transformer's cache
// has room for the context and doubles with it.
func TestContextsMeasureFlatAndGrowingStates(t *testing.T) {
	d := cpu.New(1)
	defer d.Close()
	contexts := []int{8, 256, 1024, 2048}
	for name, grows := range map[string]bool{"mamba-debug": false, "transformer-debug": true} {
		m, err := build(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := bench.Contexts(context.Background(), m, d, contexts, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Contexts) != 4 || got.Model != name || got.Repeats != 3 {
			t.Errorf("%+v", got)
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
	}
}

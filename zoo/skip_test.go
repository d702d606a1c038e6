package zoo_test

import (
	"context"
	"testing"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/narrow"
	"github.com/moezoo/moezoo/zoo"
)

// TestSkippedTokensCostMemoryAsFedOnesDo: after as many tokens, skipped or fed, the states are
// as large, and the decoder goes on.
func TestSkippedTokensCostMemoryAsFedOnesDo(t *testing.T) {
	grows := map[string]bool{"mamba-debug": false, "moe-mamba-debug": false, "transformer-debug": true, "samba-debug": false}
	for name, growing := range grows {
		m := build(t, name)
		d := cpu.New(1)
		w, err := zoo.NewWeights(m.Net, narrow.Float32, d)
		if err != nil {
			t.Fatal(err)
		}
		task, err := m.Task()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range task.Train.Params {
			shape, _ := p.Value.Shape().Ints()
			if err := w.Put(p.Value.Name, backend.NewTensor(graph.Float32, shape...)); err != nil { // zeros do
				t.Fatal(err)
			}
		}
		var sizes [2][]int
		for i, skip := range []bool{true, false} {
			dec, err := zoo.NewDecoder(m.Net, 1, d, w)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []int{100, 500, 1900} {
				if skip {
					err = dec.Skip(n - dec.Length() - 1)
				} else {
					_, err = dec.Feed(context.Background(), make([]int64, n-dec.Length()-1))
				}
				if err == nil {
					_, err = dec.Feed(context.Background(), make([]int64, 1))
				}
				if err != nil || dec.Length() != n {
					t.Fatalf("%s: %d tokens, %v", name, dec.Length(), err)
				}
				sizes[i] = append(sizes[i], dec.StateBytes())
			}
			dec.Close()
		}
		for i := range sizes[0] {
			if sizes[0][i] != sizes[1][i] || sizes[0][i] == 0 {
				t.Errorf("%s: %v bytes after skipped tokens, %v after fed ones", name, sizes[0], sizes[1])
			}
		}
		if got := sizes[0][2] > 2*sizes[0][1]; got != growing {
			t.Errorf("%s: states of %v bytes", name, sizes[0])
		}
		d.Close()
	}
}

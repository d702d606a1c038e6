package cpu

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
)

// TestRoutersTopKIsThatOfAnyAxis: with equal numbers, NaN and both zeros.
func TestRoutersTopKIsThatOfAnyAxis(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	numbers := []float32{0, float32(math.Copysign(0, -1)), 1, 1, 2, -3, float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))}
	d := New(2)
	defer d.Close()
	for _, n := range []int{1, 2, 8, 64, 200} {
		for _, k := range []int{0, 1, 2, 6, 16} {
			if k > n {
				continue
			}
			const rows = 70
			x, count := backend.NewTensor(graph.Float32, rows, n), backend.NewTensor(graph.Int64, 1)
			for i := range x.F32() {
				x.F32()[i] = numbers[rng.IntN(len(numbers))]
				if i%3 == 0 {
					x.F32()[i] = rng.Float32()
				}
			}
			count.I64()[0] = int64(k)
			call := func() *backend.Call {
				return &backend.Call{Node: &graph.Node{Op: "TopK"}, In: []*backend.Tensor{x, count}, Out: []*backend.Tensor{backend.NewTensor(graph.Float32, rows, k), backend.NewTensor(graph.Int64, rows, k)}}
			}
			got, want := call(), call()
			if !routes(got) {
				t.Fatalf("%d of %d take the long way", k, n)
			}
			if err := runTopK(d, got); err != nil {
				t.Fatal(err)
			}
			if err := topAny(want); err != nil {
				t.Fatal(err)
			}
			for i := range got.Out {
				if !bytes.Equal(got.Out[i].Data, want.Out[i].Data) {
					t.Fatalf("%d of %d: output %d differs", k, n, i)
				}
			}
			if a := testing.AllocsPerRun(3, func() { _ = runTopK(d, got) }); a != 0 {
				t.Errorf("%v allocations", a)
			}
		}
	}
}

package cpu

import (
	"fmt"
	"testing"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
)

func TestPadsAndCutsWholeRows(t *testing.T) {
	for _, c := range []struct{ shape, before, behind []int }{
		{[]int{5}, []int{2}, []int{1}},
		{[]int{5}, []int{-2}, []int{-1}},
		{[]int{5}, []int{-4}, []int{3}},
		{[]int{3, 4}, []int{1, 0}, []int{2, 0}},
		{[]int{3, 4}, []int{-1, 2}, []int{1, -3}},
		{[]int{2, 3, 2}, []int{0, -1, 1}, []int{1, 2, -2}},
		{[]int{2, 3}, []int{0, 9}, []int{0, -9}},
	} {
		x := backend.NewTensor(graph.Float32, c.shape...)
		for i := range x.F32() {
			x.F32()[i] = float32(i + 1)
		}
		out := make([]int, len(c.shape))
		for k, n := range c.shape {
			out[k] = n + c.before[k] + c.behind[k]
		}
		y, from := backend.NewTensor(graph.Float32, out...), strides(c.shape)
		fill := backend.NewTensor(graph.Float32, 1)
		fill.F32()[0] = -1
		padConstant(x, y, c.before, from, fill.Data)
		place(out, func(at int, index []int) {
			i, want := 0, float32(-1)
			inside := true
			for k, v := range index {
				p := v - c.before[k]
				inside = inside && p >= 0 && p < c.shape[k]
				i += p * from[k]
			}
			if inside {
				want = x.F32()[i]
			}
			if got := y.F32()[at]; got != want {
				t.Errorf("%s at %v: %v, want %v", fmt.Sprint(c), index, got, want)
			}
		})
	}
}

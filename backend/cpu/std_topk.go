package cpu

import (
	"sort"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
)

func init() { register("", map[string]Kernel{"TopK": {Run: runTopK}}) }

func runTopK(d *Device, c *backend.Call) error {
	if routes(c) {
		return d.overRows(c, product(c.Input(0).Shape)/max(c.Input(0).Shape[len(c.Input(0).Shape)-1], 1), topRows)
	}
	return topAny(c)
}

// routes tells whether a call is what routers ask for: some of the largest numbers of each
// row, sorted.
func routes(c *backend.Call) bool {
	x, rank := c.Input(0), len(c.Input(0).Shape)
	return x.DType == graph.Float32 && rank > 0 && axisOf(c.Node.Int("axis", -1), rank) == rank-1 && c.Output(1).Present() &&
		c.Node.Int("largest", 1) == 1 && c.Node.Int("sorted", 1) == 1 && ints(c.Input(1))[0] <= fewOfMany
}

// fewOfMany are so few that numbers are put in their place one by one.
const fewOfMany = 16

// topRows keeps the largest so far in order in the results themselves.
func topRows(c *backend.Call, from, to int) {
	x, values, indices := f32(c.Input(0)), f32(c.Output(0)), c.Output(1).I64()
	n, k := c.Input(0).Shape[len(c.Input(0).Shape)-1], c.Output(0).Shape[len(c.Output(0).Shape)-1]
	if k == 0 {
		return
	}
	for r := from; r < to; r++ {
		v, at, held := values[r*k:(r+1)*k], indices[r*k:(r+1)*k], 0
		for e, y := range x[r*n : (r+1)*n] {
			if held == k && !above(y, v[k-1]) {
				continue
			}
			held = min(held+1, k)
			i := held - 1
			for ; i > 0 && above(y, v[i-1]); i-- {
				v[i], at[i] = v[i-1], at[i-1]
			}
			v[i], at[i] = y, int64(e)
		}
	}
}

// above tells whether a comes before b: NaN before all numbers, and of equal ones none.
func above(a, b float32) bool { return a > b || a != a && b == b }

// topAny is TopK along any axis, of any type.
func topAny(c *backend.Call) error {
	x, values, indices := c.Input(0), c.Output(0), c.Output(1)
	outer, extent, inner := lanes(x.Shape, axisOf(c.Node.Int("axis", -1), len(x.Shape)))
	k := int(ints(c.Input(1))[0])
	compare, err := ordering(x)
	if err != nil {
		return err
	}
	sign := -1
	if c.Node.Int("largest", 1) == 0 {
		sign = 1
	}
	size, order := x.DType.Size(), make([]int, extent)
	for r := range outer * inner {
		start := r/inner*extent*inner + r%inner
		for i := range order {
			order[i] = i
		}
		before := func(a, b int) bool {
			if d := sign * compare(start+order[a]*inner, start+order[b]*inner); d != 0 {
				return d < 0
			}
			return order[a] < order[b]
		}
		selectFirst(order, k, before)
		chosen := order[:k]
		if c.Node.Int("sorted", 1) == 0 {
			sort.Ints(chosen)
		}
		for i, e := range chosen {
			to := r/inner*k*inner + i*inner + r%inner
			if values.Present() {
				from := start + e*inner
				copy(values.Data[to*size:(to+1)*size], x.Data[from*size:(from+1)*size])
			}
			if indices.Present() {
				indices.I64()[to] = int64(e)
			}
		}
	}
	return nil
}

// selectFirst brings the k first elements of an order to the front, sorted.
func selectFirst(order []int, k int, before func(a, b int) bool) {
	if k*8 >= len(order) {
		sort.Slice(order, before)
		return
	}
	for i := range k {
		best := i
		for j := i + 1; j < len(order); j++ {
			if before(j, best) {
				best = j
			}
		}
		order[i], order[best] = order[best], order[i]
	}
}

package conformance

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
	graphnarrow "github.com/moezoo/moezoo/graph/narrow"
	"github.com/moezoo/moezoo/graph/op"
)

// narrow are products with weights that are stored in less than float32.
func narrow() []Case {
	var out []Case
	for _, kind := range []graphnarrow.Kind{graphnarrow.BFloat16, graphnarrow.Float16, graphnarrow.Int8} {
		add := func(name string, build func(g *graph.Graph) *graph.Value) {
			out = append(out, Case{Name: name + "/" + string(kind), NoGradient: true, Build: func(g *graph.Graph) []*graph.Value { return []*graph.Value{build(g)} }})
		}
		weight := func(g *graph.Graph, axis int, shape ...int) (w, scale *graph.Value) {
			n := 1
			for _, d := range shape {
				n *= d
			}
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(i*i%41-20) / 16
			}
			data, scales, err := graphnarrow.Encode(kind, x, shape, axis)
			if err != nil {
				g.Fail(err)
			}
			if scales != nil {
				scale = g.Const("scale", scales)
			}
			return g.Const("w", data), scale
		}
		for _, m := range []int64{1, 2, 14} {
			add(fmt.Sprintf("NarrowMatMul/%d rows", m), func(g *graph.Graph) *graph.Value {
				w, scale := weight(g, 1, 37, 140)
				return op.NarrowMatMul(input(g, "x", 1, m, 37), w, scale, false)
			})
			add(fmt.Sprintf("NarrowMatMul, transposed/%d rows", m), func(g *graph.Graph) *graph.Value {
				w, scale := weight(g, 0, 35, 40)
				return op.NarrowMatMul(input(g, "x", m, 40), w, scale, true)
			})
		}
		for _, t := range []int64{2, 30} {
			add(fmt.Sprintf("GroupedMatMul/%d rows", t), func(g *graph.Graph) *graph.Value {
				ids := make([]int64, t)
				for i := range ids {
					ids[i] = int64(i*i) % 3
				}
				d := op.Dispatch(g.Const("experts", graph.Ints([]int{int(t), 1}, ids...)), 4, false)
				w, scale := weight(g, 2, 4, 16, 9)
				return op.NarrowGroupedMatMul(op.TakeRows(input(g, "x", t, 16), d), w, scale, d.Offsets, false)
			})
		}
	}
	return out
}

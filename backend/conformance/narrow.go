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
	half := func(v *graph.Value) *graph.Value { return op.Cast(v, graph.BFloat16) }
	for _, s := range [][3]int64{{1, 9, 7}, {6, 40, 33}, {30, 33, 64}} { // rows, columns, terms
		m, n, k := s[0], s[1], s[2]
		add := func(name string, build func(g *graph.Graph) *graph.Value) { // rounding has no difference quotient
			out = append(out, Case{Name: name, NoGradient: true, Build: func(g *graph.Graph) []*graph.Value { return []*graph.Value{build(g)} }})
		}
		add("MixedMatMul", func(g *graph.Graph) *graph.Value {
			return op.MixedMatMul(half(input(g, "a", 2, m, k)), half(input(g, "b", k, n)), false, false)
		})
		add("MixedMatMul, b transposed", func(g *graph.Graph) *graph.Value {
			return op.MixedMatMul(half(input(g, "a", m, k)), half(input(g, "b", n, k)), false, true)
		})
		add("MixedMatMul, a transposed", func(g *graph.Graph) *graph.Value {
			return op.MixedMatMul(half(input(g, "a", k, m)), half(input(g, "b", k, n)), true, false)
		})
		add("GroupedMatMul of bfloat16", func(g *graph.Graph) *graph.Value {
			ids := make([]int64, m)
			for i := range ids {
				ids[i] = int64(i*i) % 3
			}
			d := op.Dispatch(g.Const("experts", graph.Ints([]int{int(m), 1}, ids...)), 4, false)
			return op.GroupedMatMul(half(op.TakeRows(input(g, "x", m, k), d)), half(input(g, "w", 4, k, n)), d)
		})
	}
	return out
}

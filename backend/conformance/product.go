package conformance

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// products are cases of products with every epilogue, with matrices as they lie, transposed
// and in panels, of one matrix and of experts, some of which have no rows.
func products() []Case {
	var out []Case
	for _, s := range [][3]int64{{1, 7, 5}, {6, 33, 8}, {29, 16, 300}} { // rows, N, K
		for i, epilogue := range append(op.Epilogues(), "") {
			for _, width := range []int64{0, 16, 32} {
				p := productCase{rows: s[0], n: s[1], k: s[2], width: width, spec: op.ProductSpec{Epilogue: epilogue, TransB: (i+int(s[0]))%2 == 0}}
				for _, p.experts = range []int64{0, 3} {
					p.bias = (i+int(p.experts))%2 == 0
					out = append(out, Case{Name: p.name(), Panels: width, NoGradient: true, Build: p.build})
				}
			}
		}
	}
	for _, width := range []int64{16, 32} {
		for _, transposed := range []bool{false, true} {
			out = append(out, Case{Name: "Panels", Panels: width, NoGradient: true, Build: func(g *graph.Graph) []*graph.Value {
				return []*graph.Value{op.Panels(input(g, "w", 5, 70), width, transposed), op.Panels(input(g, "experts", 2, 9, 31), width, transposed)}
			}})
		}
	}
	for _, epilogue := range op.Epilogues() {
		p := productCase{rows: 9, n: 20, k: 6, half: true, bias: true, spec: op.ProductSpec{Epilogue: epilogue}}
		out = append(out, Case{Name: "bfloat16 " + p.name(), NoGradient: true, Build: p.build})
	}
	return out
}

type productCase struct {
	rows, n, k, experts, width int64
	bias, half                 bool
	spec                       op.ProductSpec
}

func (p productCase) name() string {
	return fmt.Sprintf("Product %s, %d experts, panels of %d", p.spec.Epilogue, p.experts, p.width)
}

func (p productCase) build(g *graph.Graph) []*graph.Value {
	shape := []int64{p.k, p.n}
	if p.spec.TransB {
		shape = []int64{p.n, p.k}
	}
	bias := []int64{p.n}
	x := input(g, "x", p.rows, p.k)
	var in op.Operands
	if p.experts > 0 {
		shape, bias = append([]int64{p.experts}, shape...), append([]int64{p.experts}, bias...)
		first := p.rows / 2
		in.Offsets = g.Const("offsets", graph.Ints([]int{int(p.experts) + 1}, 0, first, first, p.rows-p.rows/4))
		p.spec.Partial = true
	}
	w := input(g, "w", shape...)
	if p.half {
		x, w = op.Cast(x, graph.BFloat16), op.Cast(w, graph.BFloat16)
	}
	if p.width > 0 {
		w = op.Panels(w, p.width, p.spec.TransB)
		p.spec.Columns, p.spec.TransB = p.n, false
	}
	if p.bias {
		in.Bias = input(g, "bias", bias...)
	}
	if op.EpilogueReads(p.spec.Epilogue) {
		in.Other = input(g, "other", p.rows, p.n)
	}
	y, z := op.Product(x, w, in, p.spec)
	return []*graph.Value{y, z}
}

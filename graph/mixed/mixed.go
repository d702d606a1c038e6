package mixed

import (
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// Rules are the rewrites for a copy of a graph, as graph.Copier takes them. Products with
// parameters that keep names stay float32. Each value is rounded once, however many products
// read it.
func Rules(keep func(name string) bool) func(n *graph.Node, in []*graph.Value) []*graph.Value {
	r := rules{keep: keep, rounded: map[*graph.Value]*graph.Value{}}
	return r.node
}

type rules struct {
	keep    func(name string) bool
	rounded map[*graph.Value]*graph.Value
}

func (r rules) node(n *graph.Node, in []*graph.Value) []*graph.Value {
	switch {
	case n.Domain == "" && n.Op == "MatMul":
		w, transposed := in[1], false
		if p := w.Node(); p != nil && p.Op == "Transpose" && w.Rank() == 2 {
			w, transposed = p.Inputs[0], true
		}
		if w.Rank() == 2 && in[0].Rank() >= 2 && r.weight(w) && in[0].Type.DType == graph.Float32 {
			return []*graph.Value{op.MixedMatMul(r.round(in[0]), r.round(w), false, transposed)}
		}
	case n.Domain == graph.Domain && n.Op == "GroupedMatMul":
		if r.weight(in[1]) {
			d := op.Dispatched{Offsets: in[2], Partial: n.Int("partial", 0) == 1}
			return []*graph.Value{op.GroupedMatMul(r.round(in[0]), r.round(in[1]), d)}
		}
	}
	return nil
}

// weight reports whether v is a parameter that may be rounded.
func (r rules) weight(v *graph.Value) bool {
	return v.Param() != nil && v.Type.DType == graph.Float32 && !r.keep(v.Name)
}

func (r rules) round(v *graph.Value) *graph.Value {
	if r.rounded[v] == nil {
		r.rounded[v] = op.Cast(v, graph.BFloat16)
	}
	return r.rounded[v]
}

package fuse

import (
	"slices"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// Graph is g with every rule applied.
func Graph(g *graph.Graph) (*graph.Graph, error) {
	out, err := g.Rewritten(Rules(g))
	if err != nil {
		return nil, err
	}
	out.Prune()
	return out, nil
}

// Rules are the rewrites for copies of g, as graph.Copier takes them. Nodes that a rule
// makes superfluous stay in the copy until it is pruned, so that a caller may still ask
// for their values.
func Rules(g *graph.Graph) func(n *graph.Node, in []*graph.Value) []*graph.Value {
	m := newMatcher(g)
	return func(n *graph.Node, in []*graph.Value) []*graph.Value {
		for _, r := range rules {
			if n.Domain == r.domain && n.Op == r.op {
				if out := r.apply(m, n, in); out != nil {
					return out
				}
			}
		}
		return nil
	}
}

// rule tries to replace a node whose inputs have been copied; nil leaves it as it is.
type rule struct {
	domain, op string
	apply      func(m matcher, n *graph.Node, in []*graph.Value) []*graph.Value
}

var rules = []rule{
	{"", "Mul", siluGate},
	{"", "Split", splitMatMul},
	{"", "MatMul", transposedMatMul},
}

// matcher knows how often each value of the source is read.
type matcher struct{ uses map[*graph.Value]int }

func newMatcher(g *graph.Graph) matcher {
	m := matcher{uses: map[*graph.Value]int{}}
	for _, n := range g.Nodes {
		n.Reads(func(v *graph.Value) { m.uses[v]++ })
	}
	for _, v := range g.Outputs {
		m.uses[v]++
	}
	return m
}

// only answers the producer of input i when it is this operator and nothing else reads
// its result.
func (m matcher) only(n *graph.Node, i int, domain, op string) *graph.Node {
	v := n.Inputs[i]
	p := v.Node()
	if p == nil || p.Domain != domain || p.Op != op || m.uses[v] != 1 {
		return nil
	}
	return p
}

// siluGate: y · SiLU(z) → SiLUGate(y, z), of tensors of one shape.
func siluGate(m matcher, n *graph.Node, in []*graph.Value) []*graph.Value {
	for i := range 2 {
		if m.only(n, i, graph.Domain, "SiLU") == nil || in[i].Node() == nil {
			continue
		}
		y, z := in[1-i], in[i].Node().Inputs[0]
		if y.Shape().Equal(z.Shape()) {
			return []*graph.Value{op.SiLUGate(y, z)}
		}
	}
	return nil
}

// minPart is the narrowest part for which a product of its own is as fast as a share of
// one product.
const minPart = 64

// splitMatMul: Split(x·w) along the last axis → SplitMatMul(x, w).
func splitMatMul(m matcher, n *graph.Node, in []*graph.Value) []*graph.Value {
	p := m.only(n, 0, "", "MatMul")
	if p == nil || in[0].Node() == nil || in[0].Node().Op != "MatMul" || in[0].Rank() < 2 || p.Inputs[1].Rank() != 2 || in[0].Type.DType != graph.Float32 {
		return nil
	}
	if axis, err := in[0].Shape().Axis(n.Int("axis", 0)); err != nil || axis != in[0].Rank()-1 {
		return nil
	}
	sizes := make([]int64, len(n.Outputs))
	for i, v := range n.Outputs {
		size, ok := v.Dim(-1).Int()
		if !ok || size < minPart {
			return nil
		}
		sizes[i] = size
	}
	product := in[0].Node()
	return slices.Clone(op.SplitMatMul(product.Inputs[0], product.Inputs[1], sizes...))
}

// transposedMatMul: x · Transpose(w) → a product that reads w as it lies, as for a head
// that is the embedding's transpose.
func transposedMatMul(m matcher, n *graph.Node, in []*graph.Value) []*graph.Value {
	if m.only(n, 1, "", "Transpose") == nil || in[1].Node() == nil || in[1].Rank() != 2 || in[0].Rank() < 2 || in[0].Type.DType != graph.Float32 {
		return nil
	}
	x, w := in[0], in[1].Node().Inputs[0]
	if in[0].Rank() == 2 {
		return []*graph.Value{op.Gemm(x, w, nil, false, true)}
	}
	width, known := x.Dim(-1).Int()
	out, fixed := w.Dim(0).Int()
	if !known || !fixed {
		return nil
	}
	y := op.Gemm(op.Reshape(x, -1, width), w, nil, false, true)
	return []*graph.Value{op.ReshapeTo(y, op.Concat(0, op.Slice(op.ShapeOf(x), 0, 0, -1), y.Graph().Int64s(out)))}
}

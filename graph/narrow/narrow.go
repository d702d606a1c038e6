package narrow

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// Weights are the parameters that are stored narrow, with the axis of their output
// channels: that of the scales of int8.
type Weights map[string]int

// Find lists the parameters of g that are read by matrix products and embeddings alone,
// but for those to keep.
func Find(g *graph.Graph, keep func(name string) bool) Weights {
	found, refused := Weights{}, map[string]bool{}
	see := func(v *graph.Value, axis int, ok bool) {
		p := v.Param()
		if p == nil {
			return
		}
		if !ok || v.Type.DType != graph.Float32 || keep(v.Name) {
			refused[v.Name] = true
			return
		}
		if old, seen := found[v.Name]; seen {
			axis = min(axis, old) // an embedding that is the head, too, has its channels in front
		}
		found[v.Name] = axis
	}
	for _, n := range g.Nodes {
		n.Reads(func(v *graph.Value) {
			axis, ok := channelAxis(n, v)
			see(v, axis, ok)
		})
	}
	for _, v := range g.Outputs {
		see(v, 0, false)
	}
	for name := range refused {
		delete(found, name)
	}
	return found
}

// channelAxis is the axis of the output channels of a weight that a node reads; ok is false
// when the node can only read float32.
func channelAxis(n *graph.Node, w *graph.Value) (axis int, ok bool) {
	if n.Inputs[0] == w {
		switch {
		case n.Domain == "" && n.Op == "Gather":
			return 0, n.Int("axis", 0) == 0 && w.Rank() == 2
		case n.Domain == "" && n.Op == "Transpose":
			return 0, w.Rank() == 2 && readByProducts(n)
		}
		return 0, false
	}
	switch {
	case n.Domain == "" && n.Op == "MatMul":
		return 1, w.Rank() == 2 && n.Inputs[0].Rank() > 0
	case n.Domain == graph.Domain && n.Op == "GroupedMatMul":
		return 2, n.Int("transB", 0) == 0
	}
	return 0, false
}

// readByProducts reports whether nothing but MatMul reads a node's result, as its second
// operand.
func readByProducts(n *graph.Node) bool {
	v := n.Outputs[0]
	for _, m := range n.Graph().Nodes {
		ok := true
		m.Reads(func(r *graph.Value) {
			ok = ok && (r != v || m.Op == "MatMul" && m.Inputs[1] == v && m.Inputs[0] != v)
		})
		if !ok {
			return false
		}
	}
	for _, o := range n.Graph().Outputs {
		if o == v {
			return false
		}
	}
	return true
}

// ScaleName is the name of the parameter that holds the scales of an int8 weight.
func ScaleName(weight string) string { return weight + ".scale" }

// Graph is g with the weights stored as k. Parameters keep their names; int8 has a further
// one with the scales of each. Nodes behind them read what the numbers stand for.
func Graph(g *graph.Graph, k Kind, w Weights) (*graph.Graph, error) {
	dst := graph.New(g.Name)
	c := graph.NewCopier(dst, nil)
	r := rewriter{scale: map[*graph.Value]*graph.Value{}}
	c.Names, c.Rewrite = true, r.node
	for _, p := range g.Params {
		axis, ok := w[p.Value.Name]
		if !ok || !k.Narrow() {
			continue
		}
		shape, _ := p.Value.Shape().Ints()
		v := dst.Stored(p.Value.Name, k.DType(), shape...)
		c.Map(p.Value, v)
		if k == Int8 {
			r.scale[v] = dst.Stored(ScaleName(p.Value.Name), graph.Float32, channels(shape, axis)...)
		}
	}
	g.CopyInputs(c)
	c.Nodes(g)
	g.CopyOutputs(c)
	if err := dst.Err(); err != nil {
		return nil, fmt.Errorf("weights as %s: %w", k, err)
	}
	dst.Prune()
	return dst, nil
}

// channels are the extents of the scales: the channel axis, behind that of the experts.
func channels(shape []int, axis int) []int {
	if len(shape) == 3 {
		return []int{shape[0], shape[axis]}
	}
	return []int{shape[axis]}
}

// rewriter replaces the nodes that read narrow weights.
type rewriter struct{ scale map[*graph.Value]*graph.Value }

func (r rewriter) node(n *graph.Node, in []*graph.Value) []*graph.Value {
	switch {
	case n.Op == "MatMul" && n.Domain == "":
		w, transposed := in[1], false
		if p := w.Node(); p != nil && p.Op == "Transpose" && narrow(p.Inputs[0]) {
			w, transposed = p.Inputs[0], true
		}
		if narrow(w) {
			return []*graph.Value{op.NarrowMatMul(in[0], w, r.scale[w], transposed)}
		}
	case n.Op == "GroupedMatMul" && narrow(in[1]):
		return []*graph.Value{op.NarrowGroupedMatMul(in[0], in[1], r.scale[in[1]], in[2], n.Int("partial", 0) == 1)}
	case n.Op == "Gather" && narrow(in[0]):
		rows := op.Cast(op.Gather(in[0], in[1], 0), graph.Float32)
		if scale := r.scale[in[0]]; scale != nil {
			rows = op.Mul(rows, op.Unsqueeze(op.Gather(scale, in[1], 0), -1))
		}
		return []*graph.Value{rows}
	}
	return nil
}

// narrow reports whether v is a parameter that is stored in less than float32.
func narrow(v *graph.Value) bool {
	return v != nil && v.Param() != nil && v.Type.DType != graph.Float32
}

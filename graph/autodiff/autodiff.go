package autodiff

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// Gradients adds to g the gradients of the sum of losses, each times its seed, with
// respect to wrt. A seed has the shape of its loss; a nil seed means 1 for a scalar
// loss. A value that no loss depends on has a nil gradient.
//
// Gradients flow through float values only. An operator on the way without a
// gradient rule is an error that names it and says why.
func Gradients(g *graph.Graph, losses, seeds []*graph.Value, wrt []*graph.Value) ([]*graph.Value, error) {
	defer g.Scope("grad")()
	grads := map[*graph.Value][]*graph.Value{}
	for i, l := range losses {
		seed := seeds[i]
		if seed == nil {
			if l.Rank() != 0 {
				return nil, fmt.Errorf("loss %v is no scalar and has no seed", l)
			}
			seed = g.Float(1)
		}
		grads[l] = append(grads[l], seed)
	}
	needed := dependents(g, wrt)
	nodes := g.Nodes // the forward nodes; gradients are appended behind them
	for i := len(nodes) - 1; i >= 0; i-- {
		if err := backward(g, nodes[i], grads, needed); err != nil {
			return nil, err
		}
	}
	out := make([]*graph.Value, len(wrt))
	for i, v := range wrt {
		out[i] = total(grads, v)
	}
	return out, g.Err()
}

// dependents are the float values that depend on wrt, wrt included.
func dependents(g *graph.Graph, wrt []*graph.Value) map[*graph.Value]bool {
	needed := map[*graph.Value]bool{}
	for _, v := range wrt {
		needed[v] = true
	}
	for _, n := range g.Nodes {
		reached := false
		n.Reads(func(v *graph.Value) { reached = reached || needed[v] })
		for _, v := range n.Outputs {
			if reached && v.Type.DType.IsFloat() {
				needed[v] = true
			}
		}
	}
	return needed
}

// backward adds the gradients of one node's inputs.
func backward(g *graph.Graph, n *graph.Node, grads map[*graph.Value][]*graph.Value, needed map[*graph.Value]bool) error {
	dOut := make([]*graph.Value, len(n.Outputs))
	reached := false
	for i, v := range n.Outputs {
		if needed[v] {
			dOut[i] = total(grads, v)
			reached = reached || dOut[i] != nil
		}
	}
	if !reached {
		return nil
	}
	entry, err := graph.Lookup(n.Domain, n.Op)
	if err != nil {
		return err
	}
	if entry.Grad == nil {
		return fmt.Errorf("%s: operator %s has no gradient: %s", n.Name, n.Op, entry.NoGrad)
	}
	defer g.Scope(n.Name)()
	dIn := entry.Grad(&graph.Grad{Node: n, G: g, DOut: dOut})
	if err := g.Err(); err != nil {
		return fmt.Errorf("gradient of %s: %w", n.Name, err)
	}
	for i, d := range dIn {
		if d == nil || n.Inputs[i] == nil || !needed[n.Inputs[i]] {
			continue
		}
		if !d.Shape().Equal(n.Inputs[i].Shape()) {
			return fmt.Errorf("gradient of %s: input %d is %v, its gradient %v", n.Name, i, n.Inputs[i], d)
		}
		grads[n.Inputs[i]] = append(grads[n.Inputs[i]], d)
	}
	return nil
}

// total is the sum of what has arrived for v, kept as a single value.
func total(grads map[*graph.Value][]*graph.Value, v *graph.Value) *graph.Value {
	ds := grads[v]
	if len(ds) == 0 {
		return nil
	}
	sum := ds[0]
	for _, d := range ds[1:] {
		sum = op.Add(sum, d)
	}
	grads[v] = []*graph.Value{sum}
	return sum
}

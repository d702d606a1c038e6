package hoist

import "github.com/moezoo/moezoo/graph"

// Prefix begins the names of values that pass from the first graph to the second.
const Prefix = "hoisted/"

// Split divides g in two: once computes, from parameters and constants alone, values
// named with [Prefix]; each takes them as inputs and computes all outputs of g. Views of
// parameters stay where they are used. once has no outputs when there is nothing to hoist.
func Split(g *graph.Graph) (once, each *graph.Graph, err error) {
	fixed := fixedNodes(g)
	once, each = graph.New(g.Name+"/once"), graph.New(g.Name)
	first, second := graph.NewCopier(once, nil), graph.NewCopier(each, nil)
	first.Names, second.Names = true, true
	for _, p := range g.Params {
		first.Value(p.Value)
	}
	g.CopyInputs(second)
	for _, n := range g.Nodes {
		if fixed[n] {
			first.Node(n)
		}
	}
	pass := func(v *graph.Value) {
		if n := v.Node(); n == nil || !fixed[n] {
			return
		}
		if t := numbers(v); t != nil { // such as the shape of a weight, which inference must see
			second.Map(v, each.Const("c", t))
			return
		}
		w := first.Value(v)
		for _, o := range once.Outputs {
			if o == w {
				return
			}
		}
		once.Rename(w, Prefix+v.Name)
		once.Output(w)
		second.Map(v, each.Input(w.Name, w.Type.DType, w.Type.Shape))
	}
	for _, n := range g.Nodes {
		if !fixed[n] {
			n.Reads(pass)
			second.Node(n)
		}
	}
	for _, v := range g.Outputs {
		pass(v)
	}
	g.CopyOutputs(second)
	once.Prune()
	if err := once.Err(); err != nil {
		return nil, nil, err
	}
	return once, each, each.Err()
}

// numbers is a small integer tensor whose elements are known already, nil for others.
func numbers(v *graph.Value) *graph.Tensor {
	dims, known := v.Content()
	shape, ok := v.Shape().Ints()
	if !known || !ok || v.Type.DType != graph.Int64 {
		return nil
	}
	elements := make([]int64, len(dims))
	for i, d := range dims {
		if elements[i], ok = d.Int(); !ok {
			return nil
		}
	}
	return graph.Ints(shape, elements...)
}

// fixedNodes are the nodes that read parameters, constants, and each other alone. A view
// of a parameter is none: it costs nothing where it is used. Neither is what reads no
// parameter: a plan folds that.
func fixedNodes(g *graph.Graph) map[*graph.Node]bool {
	fixed := map[*graph.Node]bool{}
	for _, n := range g.Nodes {
		ok, weights := true, false
		n.Reads(func(v *graph.Value) {
			switch {
			case v.Param() != nil:
				weights = true
			case v.Node() != nil && fixed[v.Node()]:
				weights = true
			case v.Data() == nil:
				ok = false
			}
		})
		entry, err := graph.Lookup(n.Domain, n.Op)
		view := err == nil && entry.View && n.Inputs[0].Param() != nil
		fixed[n] = ok && weights && !view && allKnown(n)
	}
	return fixed
}

// allKnown reports whether the outputs have sizes that are numbers.
func allKnown(n *graph.Node) bool {
	for _, v := range n.Outputs {
		if _, ok := v.Shape().Ints(); !ok || !v.Known() {
			return false
		}
	}
	return true
}

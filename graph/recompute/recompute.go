package recompute

import "github.com/moezoo/moezoo/graph"

// Graph is g, of which the first forward nodes are the forward pass, with the results of
// the nodes that again accepts computed anew for the nodes behind them. A value is
// computed anew at most once, right before its first reader, from values that are kept
// or that are themselves computed anew.
func Graph(g *graph.Graph, forward int, again func(n *graph.Node) bool) (*graph.Graph, error) {
	dst := graph.New(g.Name)
	first := graph.NewCopier(dst, nil)
	first.Names = true
	g.CopyInputs(first)
	for _, n := range g.Nodes[:forward] {
		first.Node(n)
	}
	r := &rewriter{first: first, behind: graph.NewCopier(dst, nil), again: map[*graph.Node]bool{}, done: map[*graph.Node]bool{}}
	r.behind.Names = true
	for _, n := range g.Nodes[:forward] {
		r.again[n] = again(n)
	}
	for _, n := range g.Nodes[forward:] {
		n.Reads(r.prepare)
		r.behind.Node(n)
	}
	for _, v := range g.Outputs { // results of the forward pass stay those of the forward pass
		if p := v.Node(); p != nil && r.isForward(p) {
			dst.Output(first.Value(v))
			continue
		}
		r.prepare(v)
		dst.Output(r.behind.Value(v))
	}
	dst.Prune()
	return dst, dst.Err()
}

type rewriter struct {
	first, behind *graph.Copier // of the forward pass, and of what the backward pass reads
	again         map[*graph.Node]bool
	done          map[*graph.Node]bool // computed anew
}

func (r *rewriter) isForward(n *graph.Node) bool {
	_, ok := r.again[n]
	return ok
}

// prepare makes sure that the backward pass finds v.
func (r *rewriter) prepare(v *graph.Value) {
	n := v.Node()
	switch {
	case n == nil, !r.isForward(n), !r.again[n]:
		if n == nil || r.isForward(n) {
			r.behind.Map(v, r.first.Value(v))
		}
	case !r.done[n]:
		r.done[n] = true
		n.Reads(r.prepare)
		r.behind.Node(n)
	}
}

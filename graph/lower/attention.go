package lower

import (
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// Attention lowers attention, and nothing else, to the standard's operator of opset 23. Where
// keys and values are put behind those of a cache for it alone, the operator does so itself:
// caches are its inputs, their successors its outputs.
func Attention(g *graph.Graph) (*graph.Graph, error) {
	dst := graph.New(g.Name)
	a := attention{graph.NewCopier(dst, nil), dst, readers(g)}
	a.c.Names = true
	g.CopyInputs(a.c)
	caches := map[*graph.Node]bool{}
	for _, n := range g.Nodes {
		if k, v := a.caches(n); k != nil {
			caches[k], caches[v] = true, true
		}
	}
	for _, n := range g.Nodes {
		switch {
		case caches[n]:
		case isAttention(n):
			a.node(n)
		default:
			a.c.Node(n)
		}
	}
	g.CopyOutputs(a.c)
	return dst, dst.Err()
}

type attention struct {
	c       *graph.Copier
	g       *graph.Graph
	readers map[*graph.Value]int
}

// readers counts the nodes that read each value.
func readers(g *graph.Graph) map[*graph.Value]int {
	n := map[*graph.Value]int{}
	for _, node := range g.Nodes {
		node.Reads(func(v *graph.Value) { n[v]++ })
	}
	return n
}

func isAttention(n *graph.Node) bool { return n.Domain == graph.Domain && n.Op == "Attention" }

// caches are the nodes that put keys and values behind earlier ones, nil when an attention
// has none or something else reads the result.
func (a attention) caches(n *graph.Node) (keys, values *graph.Node) {
	if !isAttention(n) {
		return nil, nil
	}
	var joins [2]*graph.Node
	for i := range joins {
		all := n.Inputs[1+i]
		j := all.Node()
		if j == nil || j.Domain != "" || j.Op != "Concat" || len(j.Inputs) != 2 || j.Int("axis", 0) != 2 || a.readers[all] != 1 {
			return nil, nil
		}
		joins[i] = j
	}
	return joins[0], joins[1]
}

// node makes the operator of an attention.
func (a attention) node(n *graph.Node) {
	if a.g.Err() != nil {
		return
	}
	read := append([]*graph.Value(nil), n.Inputs...)
	keys, values := a.caches(n)
	var past [2]*graph.Value
	if keys != nil {
		past[0], past[1] = a.c.Value(keys.Inputs[0]), a.c.Value(values.Inputs[0])
		read[1], read[2] = keys.Inputs[1], values.Inputs[1]
	}
	in := make([]*graph.Value, len(read))
	for i, v := range read {
		in[i] = a.c.Value(v)
	}
	leave := a.g.Scope(n.Name)
	y, presentK, presentV := op.AttentionOperator(graph.NewLower(n, a.g, in), past[0], past[1])
	leave()
	a.c.Map(n.Outputs[0], y)
	if keys != nil && a.g.Err() == nil {
		a.present(keys.Outputs[0], presentK)
		a.present(values.Outputs[0], presentV)
	}
}

// present puts a successor of a cache, under its name, in the place of the source's.
func (a attention) present(from, to *graph.Value) {
	a.c.Map(from, to)
	a.g.Rename(to, from.Name)
}

package lower

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
	_ "github.com/moezoo/moezoo/graph/op" // the table
)

// Graph is g without operators of the project's own: in standard operators only, but for those
// that [Contrib] wrote. An operator that has no lowering is an error
// that names it and says why.
func Graph(g *graph.Graph) (*graph.Graph, error) {
	for {
		lowered := false
		var refused error
		out, err := g.Rewritten(func(n *graph.Node, in []*graph.Value) []*graph.Value {
			entry, err := graph.Lookup(n.Domain, n.Op)
			if err != nil || n.Domain != graph.Domain {
				return nil
			}
			if entry.Lower == nil {
				if refused == nil {
					refused = fmt.Errorf("%s: operator %s has no lowering: %s", n.Name, n.Op, entry.NoLower)
				}
				return nil
			}
			lowered = true
			return apply(n, entry, in)
		})
		if refused != nil {
			return nil, refused
		}
		if err != nil {
			return nil, fmt.Errorf("lowering: %w", err)
		}
		if !lowered {
			out.Prune()
			return out, nil
		}
		g = out
	}
}

// apply builds the lowering of one node below a scope with the node's name, so that
// the nodes of a file tell what they came from.
func apply(n *graph.Node, entry *graph.Op, in []*graph.Value) []*graph.Value {
	var g *graph.Graph
	for _, v := range in {
		if v != nil {
			g = v.Graph()
			break
		}
	}
	if g.Err() != nil {
		return nil // inert from the first mistake on
	}
	defer g.Scope(n.Name)()
	return entry.Lower(graph.NewLower(n, g, in))
}

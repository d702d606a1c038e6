package lower

import (
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// Contrib writes the state-space duality of Mamba-2 with an operator of ONNX Runtime's own
// domain. A file has one function of a name, so that layers whose heads have other sizes than
// the first one's stay as they are.
func Contrib(g *graph.Graph) (*graph.Graph, error) {
	var first *graph.Node
	return g.Rewritten(func(n *graph.Node, in []*graph.Value) []*graph.Value {
		if n.Domain != graph.Domain || n.Op != "SSD" || len(in) < 5 || in[4] == nil || in[0].Graph().Err() != nil {
			return nil
		}
		if first == nil {
			first = n
		}
		state, as := n.Inputs[4].Shape(), first.Inputs[4].Shape()
		if !state[1:].Equal(as[1:]) {
			return nil
		}
		dst := in[0].Graph()
		defer dst.Scope(n.Name)()
		return op.SSDAsLinearAttention(graph.NewLower(n, dst, in))
	})
}

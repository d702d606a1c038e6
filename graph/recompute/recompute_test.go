package recompute_test

import (
	"testing"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/autodiff"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/graph/recompute"
)

// chain is a loss through n layers of tanh(x·w), with the gradient of every weight, and
// the number of forward nodes.
func chain(t *testing.T, n int) (*graph.Graph, int) {
	t.Helper()
	g := graph.New("chain")
	h := g.Input("x", graph.Float32, graph.Dims(4, 8))
	var weights []*graph.Value
	for i := range n {
		w := g.Input(string(rune('a'+i)), graph.Float32, graph.Dims(8, 8))
		weights = append(weights, w)
		h = op.Tanh(op.MatMul(h, w))
	}
	loss := op.ReduceSum(h, nil, false)
	forward := len(g.Nodes)
	grads, err := autodiff.Gradients(g, []*graph.Value{loss}, []*graph.Value{nil}, weights)
	if err != nil {
		t.Fatal(err)
	}
	g.Output(loss)
	g.Output(grads...)
	return g, forward
}

func count(g *graph.Graph, op string) int {
	n := 0
	for _, node := range g.Nodes {
		if node.Op == op {
			n++
		}
	}
	return n
}

func TestOnlyWhatTheBackwardPassReadsIsComputedAnew(t *testing.T) {
	g, forward := chain(t, 3)
	before := count(g, "Tanh")
	for _, c := range []struct {
		again func(n *graph.Node) bool
		tanh  int
		name  string
	}{
		{func(*graph.Node) bool { return false }, before, "nothing"},
		{func(n *graph.Node) bool { return n.Op == "Tanh" }, before + 3, "the activations"},
		{func(*graph.Node) bool { return true }, before + 3, "everything"},
	} {
		out, err := recompute.Graph(g, forward, c.again)
		if err != nil {
			t.Fatal(err)
		}
		if got := count(out, "Tanh"); got != c.tanh {
			t.Errorf("%s: %d nodes Tanh, want %d", c.name, got, c.tanh)
		}
		if len(out.Outputs) != len(g.Outputs) {
			t.Errorf("%s: %d outputs", c.name, len(out.Outputs))
		}
	}
}

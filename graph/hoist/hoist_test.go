package hoist_test

import (
	"strings"
	"testing"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/hoist"
	"github.com/moezoo/moezoo/graph/op"
)

func TestWhatDependsOnParametersAloneMovesOut(t *testing.T) {
	g := graph.New("test")
	x := g.Input("x", graph.Float32, graph.Dims(2, 3))
	a := g.Param("a", graph.Init{Scheme: "zeros"}, false, 3, 4)
	decay := op.Neg(op.Exp(a))                                                       // hoisted, read twice
	view := op.Reshape(g.Param("b", graph.Init{Scheme: "zeros"}, false, 2, 6), 3, 4) // a view stays
	y := op.Add(op.MatMul(x, decay), op.MatMul(x, op.Mul(view, decay)))
	g.Output(y, decay)
	once, each, err := hoist.Split(g)
	if err != nil {
		t.Fatal(err)
	}
	if len(once.Inputs) != 0 || len(once.Outputs) == 0 {
		t.Fatalf("once takes %v and gives %v", once.Inputs, once.Outputs)
	}
	for _, v := range once.Outputs {
		if !strings.HasPrefix(v.Name, hoist.Prefix) {
			t.Errorf("output %v", v)
		}
	}
	count := map[string]int{}
	for _, n := range each.Nodes {
		count[n.Op]++
	}
	if count["Exp"] != 0 || count["Neg"] != 0 || count["MatMul"] != 2 || count["Reshape"] != 1 {
		t.Errorf("each computes %v", count)
	}
	if len(each.Inputs) != 1+len(once.Outputs) || len(each.Outputs) != 2 {
		t.Errorf("each takes %v and gives %v", each.Inputs, each.Outputs)
	}
}

// TestShapesOfParametersStayKnown: what follows a shape, as inference does, must see its numbers.
// Seen to fail when the shape of a parameter was handed over as an input.
func TestShapesOfParametersStayKnown(t *testing.T) {
	g := graph.New("test")
	x, w := g.Input("x", graph.Float32, graph.Dims(6)), g.Param("w", graph.Init{Scheme: "zeros"}, false, 2, 3)
	g.Output(op.ReshapeTo(x, op.ShapeOf(w)))
	once, each, err := hoist.Split(g)
	if err != nil {
		t.Fatal(err)
	}
	if len(once.Outputs) != 0 || len(each.Inputs) != 1 || !each.Outputs[0].Shape().Equal(graph.Dims(2, 3)) {
		t.Errorf("once gives %v, each takes %v and gives %v", once.Outputs, each.Inputs, each.Outputs)
	}
}

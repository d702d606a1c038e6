package lower_test

import (
	"testing"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/lower"
	"github.com/moezoo/moezoo/graph/op"
)

// layer is a layer of e experts with biases on rows [6, 8].
func layer(e int64, between func(h, x *graph.Value) *graph.Value) *graph.Graph {
	g := graph.New("layer")
	x := g.Input("x", graph.Float32, graph.Dims(6, 8))
	d := op.Dispatch(g.Input("experts", graph.Int64, graph.Dims(6, 1)), e, false)
	rows := op.TakeRows(x, d)
	free := func(name string, shape ...int64) *graph.Value {
		return g.Param(name, graph.Init{Scheme: "zeros"}, false, shape...)
	}
	h := op.Add(op.GroupedMatMul(rows, free("w1", e, 8, 12), d), op.ExpertRows(free("b1", e, 12), d))
	y := op.Add(op.GroupedMatMul(between(h, rows), free("w2", e, 12, 8), d), op.ExpertRows(free("b2", e, 8), d))
	g.Output(op.Combine(y, g.Input("weight", graph.Float32, graph.Dims(6, 1)), d))
	return g
}

func count(t *testing.T, g *graph.Graph) map[string]int {
	t.Helper()
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	whole, err := lower.Experts(g, false)
	if err != nil {
		t.Fatal(err)
	}
	out, err := lower.Graph(whole)
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for _, node := range out.Nodes {
		n[node.Op]++
	}
	return n
}

func TestAnExpertIsSplitAndJoinedOnce(t *testing.T) {
	got := count(t, layer(4, func(h, _ *graph.Value) *graph.Value { return op.Gelu(op.Scale(h, 2)) }))
	if got["Split"] != 1 || got["MatMul"] != 8 || got["Erf"] != 4 || got["GreaterOrEqual"] != 0 { // which biases by row would need
		t.Errorf("got %v", got)
	}
}

// TestWhatMixesRowsIsComputedOnTheWhole: a softmax over rows sees them all.
func TestWhatMixesRowsIsComputedOnTheWhole(t *testing.T) {
	got := count(t, layer(4, func(h, _ *graph.Value) *graph.Value { return op.Softmax(h, 0) }))
	if got["Split"] != 2 || got["Softmax"] != 1 {
		t.Errorf("got %v", got)
	}
	got = count(t, layer(4, func(h, x *graph.Value) *graph.Value {
		return op.Mul(h, op.ReduceMean(x, []int64{1}, true)) // rows that were not split
	}))
	if got["Split"] != 2 {
		t.Errorf("got %v", got)
	}
}

// TestACompactGraphDoesNotGrowWithTheExperts: one loop, whose body holds one expert.
func TestACompactGraphDoesNotGrowWithTheExperts(t *testing.T) {
	size := func(e int64) int {
		whole, err := lower.Experts(layer(e, func(h, _ *graph.Value) *graph.Value { return op.Gelu(h) }), true)
		if err != nil {
			t.Fatal(err)
		}
		out, err := lower.Graph(whole)
		if err != nil {
			t.Fatal(err)
		}
		n, loops := 0, 0
		for _, node := range out.Nodes {
			n++
			if node.Op == "Loop" {
				loops++
				body := node.Attrs["body"].(*graph.Graph)
				n += len(body.Nodes)
			}
		}
		if loops != 1 {
			t.Errorf("%d loops", loops)
		}
		return n
	}
	if few, many := size(2), size(64); few != many {
		t.Errorf("%d nodes for 2 experts, %d for 64", few, many)
	}
}

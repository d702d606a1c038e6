package mixed_test

import (
	"testing"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/autodiff"
	"github.com/moezoo/moezoo/graph/mixed"
	"github.com/moezoo/moezoo/graph/op"
)

var zeros = graph.Init{Scheme: "zeros"}

// TestProductsAreRoundedAndNothingElse differentiates a rewritten graph and looks at what
// its operators read.
func TestProductsAreRoundedAndNothingElse(t *testing.T) {
	g := graph.New("test")
	x := g.Input("x", graph.Float32, graph.Dims(2, 5, 8))
	q := op.MatMul(x, g.Param("q", zeros, true, 8, 8))
	k := op.MatMul(x, g.Param("k", zeros, true, 8, 8)) // reads the same rounded x
	scores := op.MatMul(q, op.Transpose(k, 0, 2, 1))   // no weight: float32
	rows := op.Reshape(op.MatMul(scores, k), -1, 8)
	routed := op.MatMul(rows, g.Param("layer/router/weight", zeros, true, 8, 3))
	_, expert := op.TopK(routed, g.Int64s(1), -1, true, true)
	d := op.Dispatch(expert, 3, false)
	rows = op.Mul(op.Combine(op.GroupedMatMul(op.TakeRows(rows, d), g.Param("experts", zeros, true, 3, 8, 8), d), op.Softmax(op.ReduceMax(routed, []int64{1}, true), -1), d), rows)
	tied := g.Param("tied", zeros, true, 11, 8)
	g.Output(op.ReduceSum(op.MatMul(rows, op.Transpose(tied, 1, 0)), nil, false))
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}

	out, err := g.Rewritten(mixed.Rules(func(name string) bool { return name == "layer/router/weight" }))
	if err != nil {
		t.Fatal(err)
	}
	out.Prune()
	var wrt []*graph.Value
	for _, p := range out.Params {
		wrt = append(wrt, p.Value)
	}
	grads, err := autodiff.Gradients(out, out.Outputs, []*graph.Value{nil}, wrt)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range grads {
		if d == nil || d.Type.DType != graph.Float32 || !d.Shape().Equal(wrt[i].Shape()) {
			t.Errorf("the gradient of %v is %v", wrt[i], d)
		}
	}
	count, rounded := map[string]int{}, map[*graph.Value]int{}
	for _, n := range out.Nodes {
		key := n.Op
		switch n.Op {
		case "MixedMatMul", "GroupedMatMul", "GroupedOuter":
			for _, v := range n.Inputs[:2] {
				if v.Type.DType != graph.BFloat16 {
					t.Errorf("%s reads %v", n.Name, v)
				}
			}
		case "Cast":
			if n.Outputs[0].Type.DType == graph.BFloat16 {
				key = "round"
				if rounded[n.Inputs[0]]++; rounded[n.Inputs[0]] > 1 {
					t.Errorf("%v is rounded twice", n.Inputs[0])
				}
			}
		default:
			for _, v := range n.Inputs {
				if v != nil && v.Type.DType == graph.BFloat16 && n.Op != "Reshape" && n.Op != "Shape" {
					t.Errorf("%s (%s) reads %v", n.Name, n.Op, v)
				}
			}
		}
		count[key]++
	}
	// Products of q, k and the tied head: once forward, twice backward. Rounded are x, rows of
	// experts and of the head, four weights, and the gradient behind each of four products.
	if count["MixedMatMul"] != 9 || count["GroupedMatMul"] != 2 || count["GroupedOuter"] != 1 || count["round"] != 3+4+4 {
		t.Errorf("got %v", count)
	}
}

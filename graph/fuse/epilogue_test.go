package fuse_test

import (
	"maps"
	"testing"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/autodiff"
	"github.com/moezoo/moezoo/graph/fuse"
	"github.com/moezoo/moezoo/graph/op"
)

// epilogues lists what products end with, and every other operator, after fusion.
func epilogues(t *testing.T, build func(g *graph.Graph)) map[string]int {
	t.Helper()
	g := graph.New("test")
	build(g)
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	out, err := fuse.Epilogues(g)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range g.Outputs {
		if w := out.Outputs[i]; w.Name != v.Name || !w.Shape().Equal(v.Shape()) {
			t.Errorf("output %v was %v", w, v)
		}
	}
	got := map[string]int{}
	for _, n := range out.Nodes {
		name := n.Op
		if n.Op == "Product" {
			name = "product"
			if len(n.Inputs) > 3 && n.Inputs[3] != nil {
				name += " bias"
			}
			if e := n.Str("epilogue", ""); e != "" {
				name += " " + e
			}
		}
		got[name]++
	}
	return got
}

func expectEpilogues(t *testing.T, want map[string]int, build func(g *graph.Graph)) {
	t.Helper()
	if got := epilogues(t, build); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestProductsEndWithTheirNeighbours(t *testing.T) {
	product := func(g *graph.Graph) *graph.Value { return op.MatMul(input(g, "x", 2, 4, 8), input(g, "w", 8, 6)) }
	expectEpilogues(t, map[string]int{"product relu": 1}, func(g *graph.Graph) { g.Output(op.Relu(product(g))) })
	expectEpilogues(t, map[string]int{"product bias": 1}, func(g *graph.Graph) { g.Output(op.Add(input(g, "b", 6), product(g))) })
	expectEpilogues(t, map[string]int{"product bias add": 1, "Neg": 1}, func(g *graph.Graph) {
		g.Output(op.Add(op.Neg(input(g, "h", 2, 4, 6)), op.Add(product(g), input(g, "b", 6))))
	})
	expectEpilogues(t, map[string]int{"product bias add": 1, "Neg": 1, "Reshape": 2}, func(g *graph.Graph) { // the residual of another shape
		y := op.Reshape(op.Add(product(g), input(g, "b", 6)), 8, 6)
		g.Output(op.Add(op.Neg(input(g, "h", 8, 6)), y))
	})
	expectEpilogues(t, map[string]int{"product silu_gate": 1, "MatMul": 1}, func(g *graph.Graph) {
		g.Output(op.SiLUGate(product(g), op.MatMul(input(g, "x2", 2, 4, 8), input(g, "w2", 8, 6))))
	})
}

func TestWhatIsNoEpilogueIsLeft(t *testing.T) {
	expectEpilogues(t, map[string]int{"MatMul": 1, "Relu": 1}, func(g *graph.Graph) { // a result of its own
		z := op.MatMul(input(g, "x", 4, 8), input(g, "w", 8, 6))
		g.Output(z, op.Relu(z))
	})
	expectEpilogues(t, map[string]int{"MatMul": 1, "Relu": 1, "Neg": 1, "Mul": 1}, func(g *graph.Graph) { // read before
		z := op.MatMul(input(g, "x", 4, 8), input(g, "w", 8, 6))
		before := op.Neg(z)
		g.Output(op.Mul(op.Relu(z), before))
	})
	expectEpilogues(t, map[string]int{"MatMul": 1, "Add": 1}, func(g *graph.Graph) { // a sum that may lie where its operand lies
		g.Output(op.Add(input(g, "sum", 4, 6), op.MatMul(input(g, "x", 4, 8), input(g, "w", 8, 6))))
	})
	expectEpilogues(t, map[string]int{"MatMul": 1, "Add": 1}, func(g *graph.Graph) { // broadcast
		g.Output(op.Add(op.MatMul(input(g, "x", 4, 8), input(g, "w", 8, 6)), input(g, "h", 4, 1)))
	})
	expectEpilogues(t, map[string]int{"MatMul": 1, "Relu": 1}, func(g *graph.Graph) { // a matrix for each of a batch
		g.Output(op.Relu(op.MatMul(input(g, "x", 2, 4, 8), input(g, "w", 2, 8, 6))))
	})
}

// TestGradientsFindTheProduct: what the backward pass reads of a product, it gets beside the
// result, and gradients of activations end the products that they follow.
func TestGradientsFindTheProduct(t *testing.T) {
	for _, test := range []struct {
		f    func(x *graph.Value) *graph.Value
		want map[string]int
	}{
		{op.Relu, map[string]int{"product bias relu": 1, "product relu_grad": 1}},
		{op.Gelu, map[string]int{"product bias gelu": 1, "product gelu_grad": 1}},
	} {
		got := epilogues(t, func(g *graph.Graph) {
			x, w1, b, w2 := input(g, "x", 4, 8), input(g, "w1", 8, 6), input(g, "b", 6), input(g, "w2", 6, 5)
			y := op.MatMul(test.f(op.Add(op.MatMul(x, w1), b)), w2)
			grads, err := autodiff.Gradients(g, []*graph.Value{y}, []*graph.Value{input(g, "dy", 4, 5)}, []*graph.Value{x, w1, b, w2})
			if err != nil {
				t.Fatal(err)
			}
			g.Output(y)
			g.Output(grads...)
		})
		for name, n := range test.want {
			if got[name] != n {
				t.Errorf("got %v, want %v", got, test.want)
			}
		}
		if got["Relu"]+got["Gelu"]+got["ReluGrad"]+got["GeluGrad"] != 0 {
			t.Errorf("left %v", got)
		}
	}
}

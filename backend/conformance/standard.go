package conformance

import (
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// standard are cases of the standard operators that routers, experts and blocks are made
// of. Their kernels in a plan must agree with the evaluator, their gradients with
// differences.
func standard() []Case {
	type value = *graph.Value
	x := func(g *graph.Graph) value { return input(g, "x", 3, 4, 5) }
	pos := func(g *graph.Graph) value { return input(g, "pos_x", 3, 4, 5) }
	cases := map[string]func(g *graph.Graph) value{
		"Add":         func(g *graph.Graph) value { return op.Add(x(g), input(g, "y", 4, 1)) },
		"Sub":         func(g *graph.Graph) value { return op.Sub(input(g, "y", 5), x(g)) },
		"Mul":         func(g *graph.Graph) value { return op.Mul(x(g), input(g, "y", 3, 1, 5)) },
		"Div":         func(g *graph.Graph) value { return op.Div(x(g), input(g, "pos_y", 5)) },
		"Pow":         func(g *graph.Graph) value { return op.Pow(pos(g), g.Float(1.5)) },
		"Exp":         func(g *graph.Graph) value { return op.Exp(x(g)) },
		"Log":         func(g *graph.Graph) value { return op.Log(pos(g)) },
		"Sqrt":        func(g *graph.Graph) value { return op.Sqrt(pos(g)) },
		"Reciprocal":  func(g *graph.Graph) value { return op.Reciprocal(pos(g)) },
		"Neg":         func(g *graph.Graph) value { return op.Neg(x(g)) },
		"Abs":         func(g *graph.Graph) value { return op.Abs(pos(g)) },
		"Sigmoid":     func(g *graph.Graph) value { return op.Sigmoid(x(g)) },
		"Tanh":        func(g *graph.Graph) value { return op.Tanh(x(g)) },
		"Softplus":    func(g *graph.Graph) value { return op.Softplus(x(g)) },
		"Relu":        func(g *graph.Graph) value { return op.Relu(pos(g)) },
		"Erf":         func(g *graph.Graph) value { return op.Erf(x(g)) },
		"Sin":         func(g *graph.Graph) value { return op.Sin(x(g)) },
		"Cos":         func(g *graph.Graph) value { return op.Cos(x(g)) },
		"Softmax":     func(g *graph.Graph) value { return op.Softmax(x(g), -1) },
		"Softmax0":    func(g *graph.Graph) value { return op.Softmax(x(g), 0) },
		"LogSoftmax":  func(g *graph.Graph) value { return op.LogSoftmax(x(g), -1) },
		"MatMul":      func(g *graph.Graph) value { return op.MatMul(x(g), input(g, "w", 5, 7)) },
		"MatMulBatch": func(g *graph.Graph) value { return op.MatMul(x(g), input(g, "w", 3, 5, 2)) },
		"Gemm":        func(g *graph.Graph) value { return op.Gemm(input(g, "a", 4, 6), input(g, "b", 5, 4), nil, true, true) },
		"ReduceSum":   func(g *graph.Graph) value { return op.ReduceSum(x(g), []int64{1}, false) },
		"ReduceMean":  func(g *graph.Graph) value { return op.ReduceMean(x(g), []int64{0, 2}, true) },
		"ReduceLSE":   func(g *graph.Graph) value { return op.ReduceLogSumExp(x(g), []int64{-1}, false) },
		"ReduceMax":   func(g *graph.Graph) value { return op.ReduceMax(x(g), []int64{-1}, false) },
		"Transpose":   func(g *graph.Graph) value { return op.Transpose(x(g), 2, 0, 1) },
		"Reshape":     func(g *graph.Graph) value { return op.Reshape(x(g), -1, 5) },
		"Concat":      func(g *graph.Graph) value { return op.Concat(1, x(g), input(g, "y", 3, 2, 5)) },
		"Slice":       func(g *graph.Graph) value { return op.Slice(x(g), 1, 1, 3) },
		"Split":       func(g *graph.Graph) value { s := op.Split(x(g), 2, 2, 3); return op.Concat(2, s[1], s[0]) },
		"Expand":      func(g *graph.Graph) value { return op.Expand(input(g, "x", 4, 1), g.Int64s(3, 4, 5)) },
		"Gather":      func(g *graph.Graph) value { return op.Gather(input(g, "x", 6, 3), g.Int64s(5, 0, 5, 2), 0) },
		"GatherElements": func(g *graph.Graph) value {
			return op.GatherElements(input(g, "x", 3, 4), g.Const("i", graph.Ints([]int{3, 2}, 0, 3, 1, 1, 2, 0)), 1)
		},
		"TopK":   func(g *graph.Graph) value { v, _ := op.TopK(x(g), g.Int64s(2), -1, true, true); return v },
		"Where":  func(g *graph.Graph) value { y := x(g); return op.Where(op.Greater(y, g.Float(10)), y, op.Mul(y, y)) },
		"CumSum": func(g *graph.Graph) value { return op.CumSum(x(g), 1) },
		"LayerNormalization": func(g *graph.Graph) value {
			return op.LayerNormalization(x(g), input(g, "gain", 5), input(g, "bias", 5), -1, 1e-5)
		},
	}
	var out []Case
	for _, name := range sortedNames(cases) {
		build := cases[name]
		out = append(out, Case{Name: name, Build: func(g *graph.Graph) []*graph.Value { return []*graph.Value{build(g)} }})
	}
	return out
}

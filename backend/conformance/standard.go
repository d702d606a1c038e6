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
	pos2 := func(g *graph.Graph) value { return input(g, "pos_y", 3, 4, 5) }
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
		"Sum":    func(g *graph.Graph) value { return op.Sum(x(g), input(g, "y", 4, 1), input(g, "z", 5)) },
		"Mean":   func(g *graph.Graph) value { return op.Mean(x(g), input(g, "y", 4, 1), input(g, "z", 5)) },
		"Max": func(g *graph.Graph) value {
			return op.Max(pos(g), input(g, "neg_y", 5), op.Scale(input(g, "pos_z", 3, 4, 5), 20))
		},
		"Min": func(g *graph.Graph) value {
			return op.Min(pos(g), input(g, "neg_y", 5), op.Scale(input(g, "neg_z", 4, 1), 20))
		},
		"Clip": func(g *graph.Graph) value { return op.Clip(pos(g), g.Float(0.05), g.Float(9)) },
		"ClipCuts": func(g *graph.Graph) value {
			return op.Add(op.Clip(pos(g), g.Float(20), nil), op.Clip(pos2(g), nil, g.Float(0)))
		},
		"LeakyRelu": func(g *graph.Graph) value {
			return op.Add(op.LeakyRelu(pos(g), 0.3), op.LeakyRelu(input(g, "neg_y", 5), 0.3))
		},
		"Sign":            func(g *graph.Graph) value { y := input(g, "neg_y", 5); return op.Mul(y, op.Sign(y)) },
		"Floor":           func(g *graph.Graph) value { y := pos(g); return op.Add(y, op.Floor(op.Scale(y, 0.1))) },
		"Ceil":            func(g *graph.Graph) value { y := pos(g); return op.Add(y, op.Ceil(op.Scale(y, 0.1))) },
		"Round":           func(g *graph.Graph) value { y := pos(g); return op.Add(y, op.Round(op.Scale(y, 0.1))) },
		"ReduceL1":        func(g *graph.Graph) value { return op.ReduceL1(input(g, "neg_x", 3, 4, 5), []int64{1}, true) },
		"ReduceL2":        func(g *graph.Graph) value { return op.ReduceL2(x(g), []int64{0, 2}, false) },
		"ReduceLogSum":    func(g *graph.Graph) value { return op.ReduceLogSum(pos(g), []int64{2}, false) },
		"ReduceSumSquare": func(g *graph.Graph) value { return op.ReduceSumSquare(x(g), nil, false) },
		"ReduceMin":       func(g *graph.Graph) value { return op.ReduceMin(x(g), []int64{-1}, true) },
		"Cast":            func(g *graph.Graph) value { return op.Cast(op.Exp(op.Cast(x(g), graph.Float64)), graph.Float32) },
		"Identity":        func(g *graph.Graph) value { return op.Identity(x(g)) },
		"Flatten":         func(g *graph.Graph) value { return op.Flatten(x(g), 2) },
		"Squeeze":         func(g *graph.Graph) value { return op.Squeeze(input(g, "x", 3, 1, 5, 1), 1, -1) },
		"Unsqueeze":       func(g *graph.Graph) value { return op.Unsqueeze(x(g), 0, -1) },
		"Pad":             func(g *graph.Graph) value { return op.Pad(x(g), nil, 0, 1, 2, 3, 0, 1) },
		"PadCuts":         func(g *graph.Graph) value { return op.Pad(x(g), nil, 0, -1, 2, 0, 0, -1) },
		"PadValue":        func(g *graph.Graph) value { return op.Pad(x(g), input(g, "v"), 0, 1, -1, 3, 0, 1) },
		"Tile":            func(g *graph.Graph) value { return op.Tile(x(g), 2, 1, 3) },
		"Trilu":           func(g *graph.Graph) value { return op.Trilu(x(g), -1, false) },
		"TriluUpper":      func(g *graph.Graph) value { return op.Trilu(x(g), 1, true) },
		"GatherND": func(g *graph.Graph) value {
			return op.GatherND(x(g), g.Const("i", graph.Ints([]int{3, 2}, 2, 1, 0, 3, 2, 1)))
		},
		"ScatterElements": func(g *graph.Graph) value {
			return op.ScatterElements(input(g, "x", 3, 4), g.Const("i", graph.Ints([]int{3, 2}, 0, 3, 1, 2, 2, 0)), input(g, "y", 3, 2), 1, "none")
		},
		"ScatterElementsAdds": func(g *graph.Graph) value {
			return op.ScatterElements(input(g, "x", 3, 4), g.Const("i", graph.Ints([]int{3, 2}, 0, 0, 1, 2, 2, 2)), input(g, "y", 3, 2), 1, "add")
		},
		"ScatterND": func(g *graph.Graph) value {
			return op.ScatterND(input(g, "x", 3, 4), g.Const("i", graph.Ints([]int{2, 1}, 2, 0)), input(g, "y", 2, 4), "none")
		},
		"ScatterNDAdds": func(g *graph.Graph) value {
			return op.ScatterND(input(g, "x", 3, 4), g.Const("i", graph.Ints([]int{2, 1}, 2, 2)), input(g, "y", 2, 4), "add")
		},
		"Dropout": func(g *graph.Graph) value {
			o, err := graph.Lookup("", "Dropout")
			g.Fail(err)
			return g.Apply(o, nil, 1, x(g))[0]
		},
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

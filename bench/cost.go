package bench

import "github.com/moezoo/moezoo/graph"

// operations are the floating-point operations of the matrix products in a node; a
// multiplication with an addition is two. Everything else is not counted: it is what keeps
// a program from its peak.
func operations(n *graph.Node) float64 {
	extent := func(v *graph.Value, axis int) float64 {
		d, _ := v.Dim(axis).Int()
		return float64(d)
	}
	size := func(v *graph.Value) float64 {
		d, _ := v.Shape().Elements().Int()
		return float64(d)
	}
	switch n.Op {
	case "MatMul":
		return 2 * size(n.Outputs[0]) * extent(n.Inputs[0], -1)
	case "Gemm":
		axis := -1
		if n.Int("transA", 0) == 1 {
			axis = 0
		}
		return 2 * size(n.Outputs[0]) * extent(n.Inputs[0], axis)
	case "SplitMatMul":
		return 2 * size(n.Inputs[0]) * extent(n.Inputs[1], 1)
	case "SplitMatMulGrad":
		return 4 * size(n.Inputs[0]) * extent(n.Inputs[1], 1)
	case "GroupedMatMul":
		return 2 * size(n.Outputs[0]) * extent(n.Inputs[0], 1)
	case "GroupedOuter":
		return 2 * size(n.Inputs[0]) * extent(n.Inputs[1], 1)
	case "Attention": // two products over the lower triangle
		return 2 * size(n.Inputs[0]) * extent(n.Inputs[1], 2)
	case "AttentionGrad": // five
		return 5 * size(n.Inputs[3]) * extent(n.Inputs[4], 2)
	}
	return 0
}

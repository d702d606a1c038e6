package bench

import (
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

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
	case "SSD": // triangles of C·Bᵀ and of its product with x, then the states in and out
		return ssdOperations(n.Inputs[0], n.Inputs[2], 1, 1, 2)
	case "SSDGrad":
		return ssdOperations(n.Inputs[3], n.Inputs[5], 3, 2, 5)
	case "Attention": // two products over the lower triangle
		return 2 * size(n.Inputs[0]) * extent(n.Inputs[1], 2)
	case "AttentionGrad": // five
		return 5 * size(n.Inputs[3]) * extent(n.Inputs[4], 2)
	}
	return 0
}

// ssdOperations counts products over the lower triangle of a chunk, with the state's width
// per group and with the head's per head, and products with a state per head: x [B, L, H, P],
// b [B, L, G, N].
func ssdOperations(x, b *graph.Value, scores, values, states float64) float64 {
	d := func(v *graph.Value, axis int) float64 { n, _ := v.Dim(axis).Int(); return float64(n) }
	tokens, chunk := d(x, 0)*d(x, 1), min(op.SSDChunk, d(x, 1))
	return tokens * (chunk*(scores*d(b, 2)*d(b, 3)+values*d(x, 2)*d(x, 3)) + 2*states*d(x, 2)*d(x, 3)*d(b, 3))
}

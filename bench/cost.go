package bench

import (
	"fmt"
	"strings"

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
	switch n.Op {
	case "MatMul":
		return 2 * elements(n.Outputs[0]) * extent(n.Inputs[0], -1)
	case "Gemm", "MixedMatMul":
		axis := -1
		if n.Int("transA", 0) == 1 {
			axis = 0
		}
		return 2 * elements(n.Outputs[0]) * extent(n.Inputs[0], axis)
	case "Product":
		return 2 * elements(n.Outputs[0]) * extent(n.Inputs[0], -1)
	case "SplitMatMul":
		return 2 * elements(n.Inputs[0]) * extent(n.Inputs[1], 1)
	case "SplitMatMulGrad":
		return 4 * elements(n.Inputs[0]) * extent(n.Inputs[1], 1)
	case "GroupedMatMul":
		return 2 * elements(n.Outputs[0]) * extent(n.Inputs[0], 1)
	case "GroupedOuter":
		return 2 * elements(n.Inputs[0]) * extent(n.Inputs[1], 1)
	case "SSD": // triangles of C·Bᵀ and of its product with x, then the states in and out
		return ssdOperations(n.Inputs[0], n.Inputs[2], 1, 1, 2)
	case "SSDGrad":
		return ssdOperations(n.Inputs[3], n.Inputs[5], 3, 2, 5)
	case "Attention": // two products over the lower triangle
		return 2 * elements(n.Inputs[0]) * extent(n.Inputs[1], 2)
	case "AttentionGrad": // five
		return 5 * elements(n.Inputs[3]) * extent(n.Inputs[4], 2)
	}
	return 0
}

func elements(v *graph.Value) float64 {
	d, _ := v.Shape().Elements().Int()
	return float64(d)
}

// traffic is the bytes of what goes into a node and comes out, each once: what a kernel
// would read and write that finds nothing in the caches.
func traffic(n *graph.Node) float64 {
	sum := 0.0
	for _, v := range append(n.Inputs[:len(n.Inputs):len(n.Inputs)], n.Outputs...) {
		if v != nil {
			sum += elements(v) * float64(v.Type.DType.Size())
		}
	}
	return sum
}

// signature is an operator with the sizes of what it reads: "Gemm 4096×256, 256×512".
func signature(n *graph.Node) string {
	var sizes []string
	for _, v := range n.Inputs {
		if v == nil || v.Rank() == 0 {
			continue
		}
		var dims []string
		for _, d := range v.Shape() {
			dims = append(dims, d.String())
		}
		sizes = append(sizes, strings.Join(dims, "×"))
	}
	transposed := ""
	for _, flag := range []string{"transA", "transB"} {
		if n.Int(flag, 0) == 1 {
			transposed += ", " + flag
		}
	}
	return fmt.Sprintf("%s %s%s", operatorName(n), strings.Join(sizes, ", "), transposed)
}

// ssdOperations counts products over the lower triangle of a chunk, with the state's width
// per group and with the head's per head, and products with a state per head: x [B, L, H, P],
// b [B, L, G, N].
func ssdOperations(x, b *graph.Value, scores, values, states float64) float64 {
	d := func(v *graph.Value, axis int) float64 { n, _ := v.Dim(axis).Int(); return float64(n) }
	tokens, chunk := d(x, 0)*d(x, 1), min(op.SSDChunk, d(x, 1))
	return tokens * (chunk*(scores*d(b, 2)*d(b, 3)+values*d(x, 2)*d(x, 3)) + 2*states*d(x, 2)*d(x, 3)*d(b, 3))
}

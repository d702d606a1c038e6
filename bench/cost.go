package bench

import (
	"fmt"
	"strings"

	"github.com/moezoo/moezoo/graph"
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
	case "Gemm":
		axis := -1
		if n.Int("transA", 0) == 1 {
			axis = 0
		}
		return 2 * elements(n.Outputs[0]) * extent(n.Inputs[0], axis)
	case "SplitMatMul":
		return 2 * elements(n.Inputs[0]) * extent(n.Inputs[1], 1)
	case "SplitMatMulGrad":
		return 4 * elements(n.Inputs[0]) * extent(n.Inputs[1], 1)
	case "GroupedMatMul":
		return 2 * elements(n.Outputs[0]) * extent(n.Inputs[0], 1)
	case "GroupedOuter":
		return 2 * elements(n.Inputs[0]) * extent(n.Inputs[1], 1)
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

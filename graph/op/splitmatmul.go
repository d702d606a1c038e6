package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// SplitMatMul is the product x·w cut along its last axis into parts of these extents,
// each a tensor of its own: x [..., K], w [K, Σ sizes] → [..., size₀], [..., size₁], …
func SplitMatMul(x, w Value, sizes ...int64) []Value {
	return many(splitMatMul, graph.Attrs{"sizes": sizes}, len(sizes), x, w)
}

var splitMatMul, splitMatMulGrad *graph.Op

func init() {
	sizes := graph.Attr{Name: "sizes", Kind: graph.IntsAttr, Doc: "extents of the parts", Required: true}
	splitMatMul = graph.Register(&graph.Op{
		Name: "SplitMatMul", Domain: graph.Domain, Since: 1, Doc: "y₀, y₁, … = x·w cut along the last axis",
		Inputs:  []graph.Arg{{Name: "x", Doc: "[..., K]"}, {Name: "w", Doc: "[K, Σ sizes]"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "a part", Variadic: true}},
		Attrs:   []graph.Attr{sizes},
		Infer:   inferSplitMatMul,
		Grad: func(c *graph.Grad) []Value {
			in := []Value{c.In(0), c.In(1)}
			for i, d := range c.DOut {
				if d == nil {
					d = ZerosLike(c.Out(i))
				}
				in = append(in, d)
			}
			return many(splitMatMulGrad, nil, 2, in...)
		},
		Lower: func(c *graph.Lower) []Value {
			return Split(MatMul(c.In(0), c.In(1)), -1, c.Ints("sizes")...)
		},
	})
	splitMatMulGrad = graph.Register(&graph.Op{
		Name: "SplitMatMulGrad", Domain: graph.Domain, Since: 1, Doc: "dx = Σ dyᵢ·wᵢᵀ, dwᵢ = xᵀ·dyᵢ, with wᵢ the columns of part i",
		Inputs: []graph.Arg{
			{Name: "x", Doc: "[..., K]"}, {Name: "w", Doc: "[K, Σ sizes]"}, {Name: "dy", Doc: "the gradient of a part", Variadic: true},
		},
		Outputs: []graph.Arg{{Name: "dx", Doc: "as x"}, {Name: "dw", Doc: "as w"}},
		Infer: func(c *graph.Infer) error {
			c.Out(0, graph.Float32, c.Shape(0))
			c.Out(1, graph.Float32, c.Shape(1))
			return nil
		},
		NoGrad: "second derivatives are not built", NoLower: trainingOnly,
	})
}

func inferSplitMatMul(c *graph.Infer) error {
	if err := c.Want(0, graph.Float32, -1); err != nil {
		return err
	}
	if err := c.Want(1, graph.Float32, 2); err != nil {
		return err
	}
	x, w, sizes := c.Shape(0), c.Shape(1), c.Ints("sizes")
	if len(x) < 2 || !x[len(x)-1].Equal(w[0]) {
		return fmt.Errorf("%v · %v: inner extents differ", x, w)
	}
	if len(sizes) != len(c.Outputs) {
		return fmt.Errorf("%d extents for %d outputs", len(sizes), len(c.Outputs))
	}
	var total int64
	for i, n := range sizes {
		if n < 1 {
			return fmt.Errorf("a part of extent %d", n)
		}
		total += n
		c.Out(i, graph.Float32, append(append(graph.Shape(nil), x[:len(x)-1]...), graph.Const(n)))
	}
	if !w[1].Is(total) {
		return fmt.Errorf("the parts %v add up to %d, the product has %v columns", sizes, total, w[1])
	}
	return nil
}

package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// MatMul is the matrix product of the last two axes, [..., M, K] · [..., K, N] →
// [..., M, N]; leading axes broadcast, and vectors gain an axis as in numpy.
func MatMul(a, b Value) Value { return one(matMul, nil, a, b) }

// Linear is x·W (+ bias): x [..., in], W [in, out], bias [out] or nil → [..., out].
func Linear(x, w, bias Value) Value {
	y := MatMul(x, w)
	if bias == nil {
		return y
	}
	return Add(y, bias)
}

var matMul *graph.Op

func init() {
	matMul = graph.Register(&graph.Op{
		Name: "MatMul", Since: 13, Doc: "y[..., m, n] = Σ_k a[..., m, k] · b[..., k, n]",
		Inputs:  []graph.Arg{{Name: "a", Doc: "[..., M, K]"}, {Name: "b", Doc: "[..., K, N]"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "[..., M, N]"}},
		Infer:   inferMatMul,
		Grad:    gradMatMul,
	})
}

func inferMatMul(c *graph.Infer) error {
	a, b := c.Shape(0), c.Shape(1)
	if c.DType(0) != c.DType(1) {
		return fmt.Errorf("operands of types %v and %v", c.DType(0), c.DType(1))
	}
	if len(a) == 0 || len(b) == 0 {
		return fmt.Errorf("got %v · %v, scalars have no matrix product", a, b)
	}
	if len(a) == 1 {
		a = graph.Shape{graph.Const(1), a[0]}
	}
	if len(b) == 1 {
		b = graph.Shape{b[0], graph.Const(1)}
	}
	if k, l := a[len(a)-1], b[len(b)-2]; !k.Equal(l) {
		return fmt.Errorf("%v · %v: inner extents %v and %v differ", c.Shape(0), c.Shape(1), k, l)
	}
	lead, err := graph.Broadcast(a[:len(a)-2], b[:len(b)-2])
	if err != nil {
		return err
	}
	out := append(graph.Shape(nil), lead...)
	if len(c.Shape(0)) > 1 {
		out = append(out, a[len(a)-2])
	}
	if len(c.Shape(1)) > 1 {
		out = append(out, b[len(b)-1])
	}
	c.Out(0, c.DType(0), out)
	return nil
}

// gradMatMul: da = dy·bᵀ, db = aᵀ·dy. With a matrix b, which is what layers have, all
// leading axes of a are one axis of tokens, and the transposes are GEMM flags.
func gradMatMul(c *graph.Grad) []Value {
	a, b, dy := c.In(0), c.In(1), c.DOut[0]
	if b.Rank() == 2 && a.Rank() >= 2 {
		k, n := b.Dim(0), b.Dim(1)
		a2, dy2 := tokens(a, k), tokens(dy, n)
		da := Gemm(dy2, b, nil, false, true)
		db := Gemm(a2, dy2, nil, true, false)
		return []Value{ReshapeLike(da, a), db}
	}
	if a.Rank() < 2 || b.Rank() < 2 {
		c.G.Fail(fmt.Errorf("MatMul of a vector %v · %v has no gradient: give it a second axis", a.Shape(), b.Shape()))
		return nil
	}
	return []Value{SumTo(MatMul(dy, swapLast(b)), a), SumTo(MatMul(swapLast(a), dy), b)}
}

// tokens is x with all axes but the last merged: [..., D] → [T, D].
func tokens(x Value, width graph.Dim) Value {
	if x.Rank() == 2 {
		return x
	}
	w, ok := width.Int()
	if !ok {
		x.Graph().Fail(fmt.Errorf("the last axis of %v must be a number", x.Shape()))
	}
	return Reshape(x, -1, w)
}

// swapLast exchanges the last two axes.
func swapLast(x Value) Value {
	perm := make([]int64, x.Rank())
	for i := range perm {
		perm[i] = int64(i)
	}
	n := len(perm)
	perm[n-1], perm[n-2] = perm[n-2], perm[n-1]
	return Transpose(x, perm...)
}

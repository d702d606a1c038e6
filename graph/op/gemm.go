package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// Gemm is A·B (+ c) of matrices, where A is a or aᵀ [M, K], B is b or bᵀ [K, N] and c, which
// may be nil, broadcasts to [M, N].
func Gemm(a, b, c Value, transA, transB bool) Value {
	attrs := graph.Attrs{}
	if transA {
		attrs["transA"] = int64(1)
	}
	if transB {
		attrs["transB"] = int64(1)
	}
	if c == nil {
		return one(gemm, attrs, a, b)
	}
	return one(gemm, attrs, a, b, c)
}

var gemm *graph.Op

func init() {
	gemm = graph.Register(&graph.Op{
		Name: "Gemm", Since: 13, Doc: "y = alpha · A·B + beta · c, A = a or aᵀ, B = b or bᵀ",
		Inputs: []graph.Arg{
			{Name: "a", Doc: "[M, K], or [K, M] with transA"},
			{Name: "b", Doc: "[K, N], or [N, K] with transB"},
			{Name: "c", Doc: "broadcasts to [M, N]", Optional: true},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "[M, N]"}},
		Attrs: []graph.Attr{
			{Name: "alpha", Kind: graph.FloatAttr, Doc: "1 by default"},
			{Name: "beta", Kind: graph.FloatAttr, Doc: "1 by default"},
			{Name: "transA", Kind: graph.IntAttr, Doc: "1: a is transposed"},
			{Name: "transB", Kind: graph.IntAttr, Doc: "1: b is transposed"},
		},
		Infer: inferGemm,
		Grad:  gradGemm,
	})
}

func inferGemm(c *graph.Infer) error {
	for i := range 3 {
		rank := 2
		if i == 2 {
			rank = -1
		}
		if err := c.Want(i, c.DType(0), rank); err != nil {
			return err
		}
	}
	a, b := c.Shape(0), c.Shape(1)
	m, k, l, n := a[0], a[1], b[0], b[1]
	if c.Int("transA", 0) != 0 {
		m, k = k, m
	}
	if c.Int("transB", 0) != 0 {
		l, n = n, l
	}
	if !k.Equal(l) {
		return fmt.Errorf("%v · %v: inner extents %v and %v differ", a, b, k, l)
	}
	y := graph.Shape{m, n}
	if c.Has(2) {
		if s, err := graph.Broadcast(c.Shape(2), y); err != nil || !s.Equal(y) {
			return fmt.Errorf("c %v does not broadcast to %v", c.Shape(2), y)
		}
	}
	c.Out(0, c.DType(0), y)
	return nil
}

// gradGemm: with Y = A·B, dA = dY·Bᵀ and dB = Aᵀ·dY, each transposed where its operand is.
func gradGemm(c *graph.Grad) []Value {
	a, b, dy := c.In(0), c.In(1), c.DOut[0]
	transA, transB := c.Int("transA", 0) != 0, c.Int("transB", 0) != 0
	scaled := Scale(dy, float64(c.Float("alpha", 1)))
	da := Gemm(scaled, b, nil, false, !transB)
	if transA {
		da = Gemm(b, scaled, nil, transB, true)
	}
	db := Gemm(a, scaled, nil, !transA, false)
	if transB {
		db = Gemm(scaled, a, nil, true, transA)
	}
	if c.In(2) == nil {
		return []Value{da, db}
	}
	return []Value{da, db, SumTo(Scale(dy, float64(c.Float("beta", 1))), c.In(2))}
}

package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// MixedMatMul is the product A·B of bfloat16 numbers, summed in float32: a [..., K], or [K, M]
// with transA; b [K, N], or [N, K] with transB → float32 [..., N].
func MixedMatMul(a, b Value, transA, transB bool) Value {
	attrs := graph.Attrs{}
	if transA {
		attrs["transA"] = int64(1)
	}
	if transB {
		attrs["transB"] = int64(1)
	}
	return one(mixedMatMul, attrs, a, b)
}

var mixedMatMul *graph.Op

func init() {
	mixedMatMul = graph.Register(&graph.Op{
		Name: "MixedMatMul", Domain: graph.Domain, Since: 1, Doc: "y[..., n] = Σ_k A[..., k] · B[k, n], the sum in float32; A = a or aᵀ, B = b or bᵀ",
		Inputs: []graph.Arg{
			{Name: "a", Doc: "bfloat16 [..., K], or [K, M] with transA"},
			{Name: "b", Doc: "bfloat16 [K, N], or [N, K] with transB"},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "float32 [..., N]"}},
		Attrs: []graph.Attr{
			{Name: "transA", Kind: graph.IntAttr, Doc: "1: a is transposed"},
			{Name: "transB", Kind: graph.IntAttr, Doc: "1: b is transposed"},
		},
		Infer: inferMixedMatMul,
		Grad:  gradMixedMatMul,
		Lower: func(c *graph.Lower) []Value {
			a, b := Cast(c.In(0), graph.Float32), Cast(c.In(1), graph.Float32)
			if c.Int("transA", 0) == 1 {
				a = Transpose(a, 1, 0)
			}
			if c.Int("transB", 0) == 1 {
				b = Transpose(b, 1, 0)
			}
			return []Value{MatMul(a, b)}
		},
	})
}

func inferMixedMatMul(c *graph.Infer) error {
	if err := c.Want(0, graph.BFloat16, -1); err != nil {
		return err
	}
	if err := c.Want(1, graph.BFloat16, 2); err != nil {
		return err
	}
	a, b := c.Shape(0), c.Shape(1)
	if len(a) < 2 || c.Int("transA", 0) == 1 && len(a) != 2 {
		return fmt.Errorf("a is %v, want [..., K], or a matrix when it is transposed", a)
	}
	rows, k, l, n := a[:len(a)-1], a[len(a)-1], b[0], b[1]
	if c.Int("transA", 0) == 1 {
		rows, k = a[1:], a[0]
	}
	if c.Int("transB", 0) == 1 {
		l, n = n, l
	}
	if !k.Equal(l) {
		return fmt.Errorf("%v · %v: inner extents %v and %v differ", a, b, k, l)
	}
	c.Out(0, graph.Float32, append(append(graph.Shape(nil), rows...), n))
	return nil
}

// gradMixedMatMul is the gradient of MatMul with what arrives rounded once: da = dy·Bᵀ and
// dB = Aᵀ·dy, transposed where b is.
func gradMixedMatMul(c *graph.Grad) []Value {
	a, b, transB := c.In(0), c.In(1), c.Int("transB", 0) == 1
	if c.Int("transA", 0) == 1 {
		c.G.Fail(fmt.Errorf("MixedMatMul with a transposed first operand has no gradient: it is one itself"))
		return nil
	}
	n := b.Dim(1)
	if transB {
		n = b.Dim(0)
	}
	dy := tokens(Cast(c.DOut[0], graph.BFloat16), n)
	da := ReshapeLike(MixedMatMul(dy, b, false, !transB), a)
	x := tokens(a, a.Dim(-1))
	if transB {
		return []Value{da, MixedMatMul(dy, x, true, false)}
	}
	return []Value{da, MixedMatMul(x, dy, true, false)}
}

package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// GroupedMatMul multiplies each row by the matrix of the expert it belongs to: x [R, in],
// w [E, in, out] → [R, out]; rows that belong to nobody give 0.
func GroupedMatMul(x, w Value, d Dispatched) Value {
	return one(groupedMatMul, groupedAttrs(d.Partial, false), x, w, d.Offsets)
}

// NarrowGroupedMatMul is GroupedMatMul with matrices that are stored in less than float32,
// as those of [NarrowMatMul] are; scale [E, out], nil but for int8.
func NarrowGroupedMatMul(x, w, scale, offsets Value, partial bool) Value {
	if scale == nil {
		return one(groupedMatMul, groupedAttrs(partial, false), x, w, offsets)
	}
	return one(groupedMatMul, groupedAttrs(partial, false), x, w, offsets, scale)
}

func groupedAttrs(partial, transposed bool) graph.Attrs {
	attrs := graph.Attrs{}
	if partial {
		attrs["partial"] = int64(1)
	}
	if transposed {
		attrs["transB"] = int64(1)
	}
	return attrs
}

var groupedMatMul, groupedOuter *graph.Op

func init() {
	partial := graph.Attr{Name: "partial", Kind: graph.IntAttr, Doc: "1: rows from offsets[E] on belong to nobody"}
	groupedMatMul = graph.Register(&graph.Op{
		Name: "GroupedMatMul", Domain: graph.Domain, Since: 1,
		Doc: "y[r] = x[r] · w[e] for offsets[e] ≤ r < offsets[e+1], 0 from offsets[E] on",
		Inputs: []graph.Arg{
			{Name: "x", Doc: "float32 [R, in], or bfloat16 with bfloat16 matrices"},
			{Name: "w", Doc: "[E, in, out], or [E, out, in] with transB; float32, or narrow"},
			{Name: "offsets", Doc: "int64 [E+1]"},
			{Name: "scale", Doc: "float32 [E, out], of int8 matrices", Optional: true},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "[R, out]"}},
		Attrs:   []graph.Attr{partial, {Name: "transB", Kind: graph.IntAttr, Doc: "1: multiply by the transposes"}},
		Infer: func(c *graph.Infer) error {
			rounded := c.DType(0) == graph.BFloat16 && c.DType(1) == graph.BFloat16
			if err := c.Want(0, graph.Float32, 2); err != nil && !rounded {
				return err
			}
			if err := c.Want(0, c.DType(0), 2); err != nil {
				return err
			}
			if err := c.Want(1, c.DType(1), 3); err != nil {
				return err
			}
			x, w := c.Shape(0), c.Shape(1)
			in, out := w[1], w[2]
			if c.Int("transB", 0) == 1 {
				in, out = out, in
			}
			if !x[1].Equal(in) {
				return fmt.Errorf("rows %v do not fit the experts' matrices %v", x, w)
			}
			if err := c.WantShape(2, graph.Int64, w[0].Add(graph.Const(1))); err != nil {
				return err
			}
			if c.DType(1) != graph.Float32 {
				if err := wantNarrow(c, 1, 3, w[0], out); err != nil {
					return err
				}
			}
			c.Out(0, graph.Float32, graph.Shape{x[0], out})
			return nil
		},
		Grad: func(c *graph.Grad) []Value {
			x, w, offsets, dy := c.In(0), c.In(1), c.In(2), c.DOut[0]
			if w.Type.DType != x.Type.DType {
				c.G.Fail(fmt.Errorf("GroupedMatMul of %v rows with %v matrices has no gradient: it is for inference", x.Type.DType, w.Type.DType))
				return nil
			}
			if x.Type.DType == graph.BFloat16 {
				dy = Cast(dy, graph.BFloat16)
			}
			transposed := c.Int("transB", 0) == 1
			dx := one(groupedMatMul, groupedAttrs(c.Int("partial", 0) == 1, !transposed), dy, w, offsets)
			a, b := x, dy
			if transposed {
				a, b = b, a
			}
			return []Value{dx, one(groupedOuter, nil, a, b, offsets), nil}
		},
		Lower: lowerGroupedMatMul,
	})
	groupedOuter = graph.Register(&graph.Op{
		Name: "GroupedOuter", Domain: graph.Domain, Since: 1,
		Doc:     "y[e] = Σ_{r of e} a[r] ⊗ b[r], the gradient of the experts' matrices",
		Inputs:  []graph.Arg{{Name: "a", Doc: "[R, in], float32 or bfloat16"}, {Name: "b", Doc: "[R, out], as a"}, {Name: "offsets", Doc: "int64 [E+1]"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "float32 [E, in, out]"}},
		Infer: func(c *graph.Infer) error {
			e := c.Shape(2)[0].Sub(graph.Const(1))
			c.Out(0, graph.Float32, graph.Shape{e, c.Shape(0)[1], c.Shape(1)[1]})
			return nil
		},
		NoGrad: "second derivatives are not built", NoLower: trainingOnly,
	})
}

// lowerGroupedMatMul splits the rows by expert, at sizes known only at run time, and
// gives every expert a product of its own. Parts without rows are legal and almost free.
func lowerGroupedMatMul(c *graph.Lower) []Value {
	x, w, offsets := Wide(c.In(0), nil, 0), c.In(1), c.In(2)
	e := intDim(w, 0)
	counts := Sub(Slice(offsets, 0, 1, maxInt64), Slice(offsets, 0, 0, -1)) // [E]
	parts := e
	if c.Int("partial", 0) == 1 {
		rows := Slice(ShapeOf(x), 0, 0, 1)
		counts = Concat(0, counts, Sub(rows, Slice(offsets, 0, -1, maxInt64)))
		parts++
	}
	xs := SplitSizes(x, counts, 0, int(parts))
	ys := make([]Value, parts)
	for i := range e {
		ys[i] = MatMul(xs[i], ExpertMatrix(w, c.In(3), i, c.Int("transB", 0) == 1))
	}
	if parts > e { // rows of nobody: as many zeros
		ys[e] = Mul(MatMul(xs[e], ExpertMatrix(w, c.In(3), 0, c.Int("transB", 0) == 1)), c.G.Float(0))
	}
	y := ys[0]
	if parts > 1 {
		y = Concat(0, ys...)
	}
	return []Value{pinRows(y, x)}
}

// ExpertMatrix is the matrix [in, out] of expert i in float32, out of the weights of a
// GroupedMatMul.
func ExpertMatrix(w, scale Value, i int64, transposed bool) Value {
	we := Squeeze(Slice(w, 0, i, i+1), 0)
	if scale != nil {
		scale = Squeeze(Slice(scale, 0, i, i+1), 0)
	}
	if transposed {
		we = Transpose(we, 1, 0)
	}
	return Wide(we, scale, 1)
}

// pinRows tells inference that y has as many rows as x, which it cannot see through a
// split at run-time sizes: a reshape that runtimes remove.
func pinRows(y, x Value) Value {
	if y.Dim(0).Equal(x.Dim(0)) {
		return y
	}
	return ReshapeTo(y, Concat(0, Slice(ShapeOf(x), 0, 0, 1), y.Graph().Int64s(intDim(y, 1))))
}

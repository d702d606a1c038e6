package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// NarrowMatMul is x·w in float32, of a weight that is stored in less: x [..., K], w
// bfloat16, float16 or int8 [K, N], or [N, K] when transposed → [..., N]. An int8 element
// stands for itself times the scale of its column, scale [N]; other types have none.
func NarrowMatMul(x, w, scale Value, transposed bool) Value {
	attrs := graph.Attrs{}
	if transposed {
		attrs["transB"] = int64(1)
	}
	if scale == nil {
		return one(narrowMatMul, attrs, x, w)
	}
	return one(narrowMatMul, attrs, x, w, scale)
}

// Wide is what a narrow weight stands for, in float32. The scale belongs to an axis; it is
// nil but for int8.
func Wide(w, scale Value, axis int64) Value {
	if scale != nil {
		return DequantizeLinear(w, scale, axis)
	}
	if w.Type.DType == graph.Float32 {
		return w
	}
	return Cast(w, graph.Float32)
}

var narrowMatMul *graph.Op

func init() {
	narrowMatMul = graph.Register(&graph.Op{
		Name: "NarrowMatMul", Domain: graph.Domain, Since: 1, Doc: "y[..., n] = Σ_k x[..., k] · w[k, n] · scale[n]",
		Inputs: []graph.Arg{
			{Name: "x", Doc: "float32 [..., K]"},
			{Name: "w", Doc: "bfloat16, float16 or int8 [K, N], or [N, K] with transB"},
			{Name: "scale", Doc: "float32 [N], of int8", Optional: true},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "float32 [..., N]"}},
		Attrs:   []graph.Attr{{Name: "transB", Kind: graph.IntAttr, Doc: "1: w is transposed"}},
		Infer:   inferNarrowMatMul,
		NoGrad:  "weights are stored narrow for inference only",
		Lower: func(c *graph.Lower) []Value {
			w := c.In(1)
			if c.Int("transB", 0) == 1 {
				w = Transpose(w, 1, 0)
			}
			return []Value{MatMul(c.In(0), Wide(w, c.In(2), 1))}
		},
	})
}

func inferNarrowMatMul(c *graph.Infer) error {
	if err := c.Want(0, graph.Float32, -1); err != nil {
		return err
	}
	x, w := c.Shape(0), c.Shape(1)
	if len(x) < 1 || len(w) != 2 {
		return fmt.Errorf("got %v · %v, want [..., K] · [K, N]", x, w)
	}
	in, out := w[0], w[1]
	if c.Int("transB", 0) == 1 {
		in, out = out, in
	}
	if !x[len(x)-1].Equal(in) {
		return fmt.Errorf("%v · %v: inner extents differ", x, w)
	}
	if err := wantNarrow(c, 1, 2, out); err != nil {
		return err
	}
	c.Out(0, graph.Float32, append(append(graph.Shape(nil), x[:len(x)-1]...), out))
	return nil
}

// wantNarrow checks the type of a weight, input i, and that int8, and nothing else, has a
// scale of these extents as input j.
func wantNarrow(c *graph.Infer, i, j int, scale ...graph.Dim) error {
	switch t := c.DType(i); t {
	case graph.BFloat16, graph.Float16:
		if c.Has(j) {
			return fmt.Errorf("%v weights have no scale", t)
		}
	case graph.Int8:
		if !c.Has(j) {
			return fmt.Errorf("int8 weights need a scale %v", graph.Shape(scale))
		}
		return c.WantShape(j, graph.Float32, scale...)
	default:
		return fmt.Errorf("the weight is %v, want bfloat16, float16 or int8", t)
	}
	return nil
}

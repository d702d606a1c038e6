package op

import (
	"github.com/moezoo/moezoo/graph"
)

// NonZero lists the positions of elements other than 0, int64 [rank, n], in row-major
// order. n is known at run time only.
func NonZero(x Value) Value { return one(nonZero, nil, x) }

var nonZero *graph.Op

func init() {
	nonZero = graph.Register(&graph.Op{
		Name: "NonZero", Since: 13, Doc: "y[:, i] = the position of the i-th element other than 0, in row-major order",
		Inputs:  []graph.Arg{{Name: "x", Doc: "any shape"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "int64 [rank of x, n]"}},
		Infer: func(c *graph.Infer) error {
			var n graph.Dim
			if t := c.Data(0); t != nil {
				n = graph.Const(countNonZero(t))
			} else {
				n = c.Graph().FreshSymbol("nonzero", c.Shape(0).Elements())
			}
			c.Out(0, graph.Int64, graph.Shape{graph.Const(int64(len(c.Shape(0)))), n})
			return nil
		},
		NoGrad: intOutput,
	})
}

// countNonZero counts elements with a bit set; −0.0 is the only zero that has one.
func countNonZero(t *graph.Tensor) int64 {
	size := t.DType.Size()
	var n int64
	for at := 0; size > 0 && at+size <= len(t.Data); at += size {
		if !isZero(t.Data[at:at+size], t.DType.IsFloat()) {
			n++
		}
	}
	return n
}

// isZero reports whether a little-endian number is 0; the sign bit of floats is ignored.
func isZero(b []byte, float bool) bool {
	last := len(b) - 1
	for i, x := range b {
		if i == last && float {
			x &= 0x7f
		}
		if x != 0 {
			return false
		}
	}
	return true
}

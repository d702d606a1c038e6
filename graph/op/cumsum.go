package op

import "github.com/moezoo/moezoo/graph"

// CumSum is the running sum along an axis.
func CumSum(x Value, axis int64) Value { return CumSumOf(x, axis, false, false) }

// CumSumOf is CumSum in all its forms: exclusive leaves each element out of its own sum,
// reverse runs from the end.
func CumSumOf(x Value, axis int64, exclusive, reverse bool) Value {
	attrs := graph.Attrs{}
	if exclusive {
		attrs["exclusive"] = int64(1)
	}
	if reverse {
		attrs["reverse"] = int64(1)
	}
	return one(cumSum, attrs, x, x.Graph().Int64(axis))
}

var cumSum *graph.Op

func init() {
	cumSum = graph.Register(&graph.Op{
		Name: "CumSum", Since: 14, Doc: "y[i] = x[0] + … + x[i] along axis",
		Inputs:  []graph.Arg{{Name: "x", Doc: "numbers of any shape"}, {Name: "axis", Doc: "int64 or int32 scalar"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "shape of x"}},
		Attrs: []graph.Attr{
			{Name: "exclusive", Kind: graph.IntAttr, Doc: "1: without the element itself"},
			{Name: "reverse", Kind: graph.IntAttr, Doc: "1: from the end"},
		},
		Infer: func(c *graph.Infer) error {
			if err := wantNumbers(c, 0); err != nil {
				return err
			}
			if axis, ok := c.ConstInts(1); ok && len(axis) == 1 {
				if _, err := c.Shape(0).Axis(axis[0]); err != nil {
					return err
				}
			}
			return sameAsInput(c)
		},
		Grad: func(c *graph.Grad) []Value {
			attrs := graph.Attrs{"exclusive": c.Int("exclusive", 0), "reverse": 1 - c.Int("reverse", 0)}
			return []Value{one(cumSum, attrs, c.DOut[0], c.In(1)), nil}
		},
	})
}

package op

import "github.com/moezoo/moezoo/graph"

// Trilu keeps the upper (or lower) triangle of the last two axes, from the k-th
// diagonal on, and puts 0 elsewhere.
func Trilu(x Value, k int64, upper bool) Value {
	attrs := graph.Attrs{}
	if !upper {
		attrs["upper"] = int64(0)
	}
	return one(trilu, attrs, x, x.Graph().Int64(k))
}

var trilu *graph.Op

func init() {
	trilu = graph.Register(&graph.Op{
		Name: "Trilu", Since: 14, Doc: "y[..., i, j] = x[..., i, j] where j − i ≥ k (upper) or ≤ k (lower), else 0",
		Inputs:  []graph.Arg{{Name: "x", Doc: "[..., M, N]"}, {Name: "k", Doc: "int64 scalar, 0 when absent", Optional: true}},
		Outputs: []graph.Arg{{Name: "y", Doc: "shape of x"}},
		Attrs:   []graph.Attr{{Name: "upper", Kind: graph.IntAttr, Doc: "0: the lower triangle, 1 by default"}},
		Infer: func(c *graph.Infer) error {
			if _, err := c.Shape(0).Axis(-2); err != nil {
				return err
			}
			return sameAsInput(c)
		},
		Grad: func(c *graph.Grad) []Value {
			in := append([]Value{c.DOut[0]}, c.Inputs[1:]...)
			return []Value{one(trilu, c.Attrs, in...), nil}[:len(c.Inputs)]
		},
	})
}

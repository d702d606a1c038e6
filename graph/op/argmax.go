package op

import "github.com/moezoo/moezoo/graph"

// ArgMax is the int64 index of the largest element along an axis, the first of equal
// ones; keep leaves the axis with extent 1.
func ArgMax(x Value, axis int64, keep bool) Value { return argExtremum(argMax, x, axis, keep) }

func argExtremum(op *graph.Op, x Value, axis int64, keep bool) Value {
	attrs := graph.Attrs{"axis": axis, "keepdims": int64(0)}
	if keep {
		attrs["keepdims"] = int64(1)
	}
	return one(op, attrs, x)
}

var argMax *graph.Op

func init() {
	argMax = arg("ArgMax", "y = the index of the largest element along axis; NaN counts as larger than all")
}

// arg describes ArgMax and ArgMin.
func arg(name, doc string) *graph.Op {
	return graph.Register(&graph.Op{
		Name: name, Since: 13, Doc: doc,
		Inputs:  []graph.Arg{{Name: "x", Doc: "numbers of any shape with that axis"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "int64, x without the axis, or with extent 1 there"}},
		Attrs: []graph.Attr{
			{Name: "axis", Kind: graph.IntAttr, Doc: "0 by default"},
			{Name: "keepdims", Kind: graph.IntAttr, Doc: "0: drop the axis, 1 by default"},
			{Name: "select_last_index", Kind: graph.IntAttr, Doc: "1: the last of equal elements instead of the first"},
		},
		Infer: func(c *graph.Infer) error {
			if err := wantNumbers(c, 0); err != nil {
				return err
			}
			axis, err := c.Shape(0).Axis(c.Int("axis", 0))
			if err != nil {
				return err
			}
			var out graph.Shape
			for i, d := range c.Shape(0) {
				switch {
				case i != axis:
					out = append(out, d)
				case c.Int("keepdims", 1) != 0:
					out = append(out, graph.Const(1))
				}
			}
			c.Out(0, graph.Int64, out)
			return nil
		},
		NoGrad: intOutput,
	})
}

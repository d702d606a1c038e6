package op

import "github.com/moezoo/moezoo/graph"

// ShapeOf is the shape of x as an int64 vector; inference knows its elements, also
// where they are symbols.
func ShapeOf(x Value) Value { return one(shape, nil, x) }

var shape *graph.Op

func init() {
	shape = graph.Register(&graph.Op{
		Name: "Shape", Since: 15, Doc: "y = the extents of x from axis start up to end",
		Inputs:  []graph.Arg{{Name: "x", Doc: "any shape"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "int64 [rank]"}},
		Attrs: []graph.Attr{
			{Name: "start", Kind: graph.IntAttr, Doc: "first axis, 0 by default"},
			{Name: "end", Kind: graph.IntAttr, Doc: "one past the last axis, the rank by default"},
		},
		Infer: func(c *graph.Infer) error {
			s := c.Shape(0)
			clamp := func(i int64) int64 {
				if i < 0 {
					i += int64(len(s))
				}
				return min(max(i, 0), int64(len(s)))
			}
			start, end := clamp(c.Int("start", 0)), clamp(c.Int("end", int64(len(s))))
			s = s[start:max(start, end)]
			c.Out(0, graph.Int64, graph.ShapeOf(len(s)))
			c.SetContent(0, s)
			return nil
		},
		NoGrad: "its output is integer",
	})
}

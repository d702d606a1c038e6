package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// Flatten merges the axes before axis and those from it on: a matrix.
func Flatten(x Value, axis int64) Value { return one(flatten, axisAttr(axis), x) }

var flatten *graph.Op

func init() {
	flatten = graph.Register(&graph.Op{
		Name: "Flatten", Since: 13, Doc: "y = x as a matrix: the axes before axis, and those from it on",
		Inputs:  []graph.Arg{{Name: "x", Doc: "any shape"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "[product of x[:axis], product of x[axis:]]"}},
		Attrs:   []graph.Attr{{Name: "axis", Kind: graph.IntAttr, Doc: "1 by default, up to the rank"}},
		Infer: func(c *graph.Infer) error {
			x, axis := c.Shape(0), c.Int("axis", 1)
			if axis < -int64(len(x)) || axis > int64(len(x)) {
				return fmt.Errorf("axis %d is outside of %v", axis, x)
			}
			if axis < 0 {
				axis += int64(len(x))
			}
			c.Out(0, c.DType(0), graph.Shape{x[:axis].Elements(), x[axis:].Elements()})
			return nil
		},
		Grad: func(c *graph.Grad) []Value { return []Value{ReshapeLike(c.DOut[0], c.In(0))} },
		View: true,
	})
}

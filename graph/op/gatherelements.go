package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// GatherElements picks one element for each index along an axis.
func GatherElements(x, indices Value, axis int64) Value {
	return one(gatherElements, axisAttr(axis), x, indices)
}

var gatherElements *graph.Op

func init() {
	gatherElements = graph.Register(&graph.Op{
		Name: "GatherElements", Since: 13, Doc: "y[i, j, …] = x[i, …] with indices[i, j, …] in place of the position along axis",
		Inputs: []graph.Arg{
			{Name: "x", Doc: "any shape with that axis"},
			{Name: "indices", Doc: "int64 or int32 of the rank of x, negative counts from the end"},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "shape of indices"}},
		Attrs:   []graph.Attr{{Name: "axis", Kind: graph.IntAttr, Doc: "0 by default"}},
		Infer: func(c *graph.Infer) error {
			if _, err := c.Shape(0).Axis(c.Int("axis", 0)); err != nil {
				return err
			}
			if err := wantIndices(c, 1); err != nil {
				return err
			}
			if len(c.Shape(1)) != len(c.Shape(0)) {
				return fmt.Errorf("indices %v and x %v differ in rank", c.Shape(1), c.Shape(0))
			}
			c.Out(0, c.DType(0), c.Shape(1))
			return nil
		},
		Grad: func(c *graph.Grad) []Value {
			return []Value{ScatterElements(ZerosLike(c.In(0)), c.In(1), c.DOut[0], c.Int("axis", 0), "add"), nil}
		},
	})
}

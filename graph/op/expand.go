package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// Expand broadcasts x with a computed shape, int64 [rank].
func Expand(x, shape Value) Value { return one(expand, nil, x, shape) }

// ExpandLike broadcasts x to the shape of another value.
func ExpandLike(x, like Value) Value {
	if x.Shape().Equal(like.Shape()) {
		return x
	}
	return Expand(x, ShapeOf(like))
}

var expand *graph.Op

func init() {
	expand = graph.Register(&graph.Op{
		Name: "Expand", Since: 13, Doc: "y = x broadcast with a tensor of that shape",
		Inputs:  []graph.Arg{{Name: "x", Doc: "any shape"}, {Name: "shape", Doc: "int64 [rank]"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "the broadcast shape"}},
		Infer: func(c *graph.Infer) error {
			shape, ok := c.Content(1)
			if !ok {
				return fmt.Errorf("the shape must be known while the graph is built")
			}
			s, err := graph.Broadcast(c.Shape(0), shape)
			if err != nil {
				return err
			}
			c.Out(0, c.DType(0), s)
			content, ok := c.Content(0)
			if n, isInt := s.Elements().Int(); ok && isInt && len(s) == 1 && len(content) == 1 && n <= 64 {
				all := make([]graph.Dim, n)
				for i := range all {
					all[i] = content[0]
				}
				c.SetContent(0, all)
			}
			return nil
		},
		Grad: func(c *graph.Grad) []Value { return []Value{SumTo(c.DOut[0], c.In(0)), nil} },
	})
}

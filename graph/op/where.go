package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// Where is a where the condition holds and b elsewhere, with broadcasting.
func Where(condition, a, b Value) Value { return one(where, nil, condition, a, b) }

var where *graph.Op

func init() {
	where = graph.Register(&graph.Op{
		Name: "Where", Since: 16, Doc: "y = a where condition holds, b elsewhere",
		Inputs: []graph.Arg{
			{Name: "condition", Doc: "bool"}, {Name: "a", Doc: "broadcasts with condition"}, {Name: "b", Doc: "type of a, broadcasts"},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "the broadcast shape"}},
		Infer: func(c *graph.Infer) error {
			if err := c.Want(0, graph.Bool, -1); err != nil {
				return err
			}
			if c.DType(1) != c.DType(2) {
				return fmt.Errorf("branches of types %v and %v", c.DType(1), c.DType(2))
			}
			s, err := graph.Broadcast(c.Shape(1), c.Shape(2))
			if err == nil {
				s, err = graph.Broadcast(c.Shape(0), s)
			}
			if err != nil {
				return err
			}
			c.Out(0, c.DType(1), s)
			return nil
		},
		Grad: func(c *graph.Grad) []Value {
			dy, zero := c.DOut[0], scalarLike(c.DOut[0], 0)
			return []Value{nil, SumTo(Where(c.In(0), dy, zero), c.In(1)), SumTo(Where(c.In(0), zero, dy), c.In(2))}
		},
		InPlace: []int{1},
	})
}

package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// Unsqueeze inserts axes of extent 1 at these positions of the result.
func Unsqueeze(x Value, axes ...int64) Value {
	return one(unsqueeze, nil, x, x.Graph().Int64s(axes...))
}

var unsqueeze *graph.Op

func init() {
	unsqueeze = graph.Register(&graph.Op{
		Name: "Unsqueeze", Since: 13, Doc: "y = x with axes of extent 1 inserted at the positions axes of y",
		Inputs:  []graph.Arg{{Name: "x", Doc: "any shape"}, {Name: "axes", Doc: "int64 [number of axes]"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "the elements of x"}},
		Infer:   inferUnsqueeze,
		Grad: func(c *graph.Grad) []Value {
			return []Value{ReshapeLike(c.DOut[0], c.In(0)), nil}
		},
		View: true,
	})
}

func inferUnsqueeze(c *graph.Infer) error {
	axes, ok := c.ConstInts(1)
	if !ok {
		return fmt.Errorf("the axes must be known while the graph is built")
	}
	x := c.Shape(0)
	out := make(graph.Shape, len(x)+len(axes))
	inserted := make([]bool, len(out))
	for _, a := range axes {
		i, err := out.Axis(a)
		if err != nil {
			return err
		}
		if inserted[i] {
			return fmt.Errorf("axis %d is named twice", i)
		}
		inserted[i], out[i] = true, graph.Const(1)
	}
	next := 0
	for i := range out {
		if !inserted[i] {
			out[i] = x[next]
			next++
		}
	}
	c.Out(0, c.DType(0), out)
	if content, ok := c.Content(0); ok && len(out) == 1 {
		c.SetContent(0, content)
	}
	return nil
}

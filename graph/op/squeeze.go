package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// Squeeze drops axes of extent 1.
func Squeeze(x Value, axes ...int64) Value { return one(squeeze, nil, x, x.Graph().Int64s(axes...)) }

var squeeze *graph.Op

func init() {
	squeeze = graph.Register(&graph.Op{
		Name: "Squeeze", Since: 13, Doc: "y = x without the given axes, whose extent is 1",
		Inputs: []graph.Arg{
			{Name: "x", Doc: "any shape"}, {Name: "axes", Doc: "int64 [number of axes], all of extent 1 when absent", Optional: true},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "the elements of x"}},
		Infer:   inferSqueeze,
		Grad: func(c *graph.Grad) []Value {
			return []Value{ReshapeLike(c.DOut[0], c.In(0)), nil}[:len(c.Inputs)]
		},
		View: true,
	})
}

func inferSqueeze(c *graph.Infer) error {
	x := c.Shape(0)
	drop := make([]bool, len(x))
	if !c.Has(1) {
		for i, d := range x {
			if _, ok := d.Int(); !ok {
				return fmt.Errorf("without axes, the extents of %v must be numbers", x)
			}
			drop[i] = d.Is(1)
		}
	} else {
		axes, ok := c.ConstInts(1)
		if !ok {
			return fmt.Errorf("the axes must be known while the graph is built")
		}
		for _, a := range axes {
			i, err := x.Axis(a)
			if err != nil {
				return err
			}
			if !x[i].Is(1) {
				return fmt.Errorf("axis %d of %v has extent %v, only extent 1 can be dropped", i, x, x[i])
			}
			drop[i] = true
		}
	}
	var out graph.Shape
	for i, d := range x {
		if !drop[i] {
			out = append(out, d)
		}
	}
	c.Out(0, c.DType(0), out)
	if content, ok := c.Content(0); ok {
		c.SetContent(0, content)
	}
	return nil
}

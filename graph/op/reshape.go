package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// Reshape is x under another shape; 0 keeps the extent of x at that axis and one −1
// stands for what remains.
func Reshape(x Value, dims ...int64) Value {
	return one(reshape, nil, x, x.Graph().Int64s(dims...))
}

// ReshapeLike is x under the shape of another value with as many elements.
func ReshapeLike(x, like Value) Value {
	if x.Shape().Equal(like.Shape()) {
		return x
	}
	return one(reshape, nil, x, ShapeOf(like))
}

// ReshapeTo is x under a computed shape.
func ReshapeTo(x, shape Value) Value { return one(reshape, nil, x, shape) }

var reshape *graph.Op

func init() {
	reshape = graph.Register(&graph.Op{
		Name: "Reshape", Since: 14, Doc: "y = x under the extents shape; 0 keeps an extent, −1 stands for what remains",
		Inputs:  []graph.Arg{{Name: "x", Doc: "any shape"}, {Name: "shape", Doc: "int64 [rank of y]"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "as many elements as x"}},
		Attrs:   []graph.Attr{{Name: "allowzero", Kind: graph.IntAttr, Doc: "1: a 0 means an empty axis"}},
		Infer:   inferReshape,
		Grad: func(c *graph.Grad) []Value {
			return []Value{ReshapeLike(c.DOut[0], c.In(0)), nil}
		},
		View: true,
	})
}

func inferReshape(c *graph.Infer) error {
	x := c.Shape(0)
	want, ok := c.Content(1)
	if !ok {
		return fmt.Errorf("the shape must be known while the graph is built")
	}
	out := make(graph.Shape, len(want))
	rest, known := -1, graph.Const(1)
	for i, d := range want {
		switch n, isInt := d.Int(); {
		case isInt && n == -1 && rest >= 0:
			return fmt.Errorf("shape %v has two −1", graph.Shape(want))
		case isInt && n == -1:
			rest = i
			continue
		case isInt && n < -1:
			return fmt.Errorf("shape %v has a negative extent", graph.Shape(want))
		case isInt && n == 0 && c.Int("allowzero", 0) == 0:
			if i >= len(x) {
				return fmt.Errorf("shape %v copies axis %d, which %v does not have", graph.Shape(want), i, x)
			}
			d = x[i]
		}
		out[i] = d
		known = known.Mul(d)
	}
	total := x.Elements()
	switch {
	case rest >= 0:
		q, even := total.Div(known)
		if known.Is(0) || !even {
			return fmt.Errorf("%v (%v elements) does not divide into %v", x, total, graph.Shape(want))
		}
		out[rest] = q
	case !total.Equal(known) && !c.RunTime(total):
		return fmt.Errorf("%v has %v elements, %v has %v", x, total, out, known)
	}
	c.Out(0, c.DType(0), out)
	if content, ok := c.Content(0); ok && len(out) <= 1 {
		c.SetContent(0, content)
	}
	return nil
}

package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// reduction describes an operator that reduces axes to extent 1 or drops them. grad gets
// the gradient of the output with the reduced axes kept as extent 1.
func reduction(name string, since int, doc string, grad func(c *graph.Grad, dy Value) Value) *graph.Op {
	return graph.Register(&graph.Op{
		Name: name, Since: since, Doc: doc,
		Inputs: []graph.Arg{
			{Name: "x", Doc: "numbers of any shape"},
			{Name: "axes", Doc: "int64 [number of axes], all axes when absent or empty", Optional: true},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "x without the reduced axes, or with extent 1 there"}},
		Attrs: []graph.Attr{
			{Name: "keepdims", Kind: graph.IntAttr, Doc: "0: drop the reduced axes, 1 by default"},
			{Name: "noop_with_empty_axes", Kind: graph.IntAttr, Doc: "1: no axes means no reduction"},
		},
		Infer: inferReduction,
		Grad: func(c *graph.Grad) []Value {
			dy := c.DOut[0]
			if dy.Rank() != c.In(0).Rank() {
				dy = ReshapeTo(dy, keptShape(c))
			}
			return []Value{grad(c, dy), nil}[:len(c.Inputs)]
		},
	})
}

// reduce applies a reduction; nil axes mean all.
func reduce(op *graph.Op, x Value, axes []int64, keep bool) Value {
	attrs := graph.Attrs{"keepdims": int64(0)}
	if keep {
		attrs["keepdims"] = int64(1)
	}
	if axes == nil {
		return one(op, attrs, x)
	}
	if len(axes) == 0 {
		attrs["noop_with_empty_axes"] = int64(1)
	}
	return one(op, attrs, x, x.Graph().Int64s(axes...))
}

// reducedAxes marks the axes that a reduction reduces.
func reducedAxes(shape graph.Shape, axes []int64, noop bool) ([]bool, error) {
	reduced := make([]bool, len(shape))
	if len(axes) == 0 {
		for i := range reduced {
			reduced[i] = !noop
		}
		return reduced, nil
	}
	for _, a := range axes {
		i, err := shape.Axis(a)
		if err != nil {
			return nil, err
		}
		if reduced[i] {
			return nil, fmt.Errorf("axis %d is named twice", i)
		}
		reduced[i] = true
	}
	return reduced, nil
}

func inferReduction(c *graph.Infer) error {
	var axes []int64
	if c.Has(1) {
		if err := c.Want(1, graph.Int64, 1); err != nil {
			return err
		}
		var ok bool
		if axes, ok = c.ConstInts(1); !ok {
			return fmt.Errorf("the axes must be known while the graph is built")
		}
	}
	reduced, err := reducedAxes(c.Shape(0), axes, c.Int("noop_with_empty_axes", 0) != 0)
	if err != nil {
		return err
	}
	var out graph.Shape
	for i, d := range c.Shape(0) {
		switch {
		case !reduced[i]:
			out = append(out, d)
		case c.Int("keepdims", 1) != 0:
			out = append(out, graph.Const(1))
		}
	}
	c.Out(0, c.DType(0), out)
	return nil
}

// keptShape is the shape of x with 1 at the reduced axes, as a value.
func keptShape(c *graph.Grad) Value {
	x := c.In(0)
	var axes []int64
	if a := c.In(1); a != nil {
		content, _ := a.Content()
		for _, d := range content {
			n, _ := d.Int()
			axes = append(axes, n)
		}
	}
	reduced, err := reducedAxes(x.Shape(), axes, c.Int("noop_with_empty_axes", 0) != 0)
	if err != nil {
		c.G.Fail(err)
		return ShapeOf(x)
	}
	extents := make([]Value, 0, len(reduced))
	for i, r := range reduced {
		if r {
			extents = append(extents, c.G.Int64s(1))
		} else {
			extents = append(extents, Extent(x, int64(i)))
		}
	}
	return Concat(0, extents...)
}

// keptOutput is the output of a reduction with the reduced axes as extent 1.
func keptOutput(c *graph.Grad) Value {
	if c.Out(0).Rank() == c.In(0).Rank() {
		return c.Out(0)
	}
	return ReshapeTo(c.Out(0), keptShape(c))
}

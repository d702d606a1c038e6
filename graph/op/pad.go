package op

import (
	"fmt"
	"slices"

	"github.com/moezoo/moezoo/graph"
)

// Pad puts constant elements before and behind x: pads holds the counts before each
// axis, then those behind each. value is a scalar, or nil for 0.
func Pad(x, value Value, pads ...int64) Value {
	if value == nil {
		return one(pad, nil, x, x.Graph().Int64s(pads...))
	}
	return one(pad, nil, x, x.Graph().Int64s(pads...), value)
}

var pad *graph.Op

func init() {
	pad = graph.Register(&graph.Op{
		Name: "Pad", Since: 18, Doc: "y = x with elements before and behind it; negative counts cut off",
		Inputs: []graph.Arg{
			{Name: "x", Doc: "any shape"},
			{Name: "pads", Doc: "int64 [2n]: before each axis, then behind each"},
			{Name: "value", Doc: "scalar, 0 when absent", Optional: true},
			{Name: "axes", Doc: "int64 [n], all axes when absent", Optional: true},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "extents of x plus pads"}},
		Attrs:   []graph.Attr{{Name: "mode", Kind: graph.StringAttr, Doc: "constant (default), edge, reflect or wrap"}},
		Infer:   inferPad,
		Grad:    gradPad,
	})
}

func inferPad(c *graph.Infer) error {
	modes := []string{"constant", "edge", "reflect", "wrap"}
	if m := c.Str("mode", "constant"); !slices.Contains(modes, m) {
		return fmt.Errorf("mode %q: want one of %v", m, modes)
	}
	if c.Has(2) && (c.DType(2) != c.DType(0) || !c.Shape(2).Elements().Is(1)) {
		return fmt.Errorf("value is %v%v, want one %v", c.DType(2), c.Shape(2), c.DType(0))
	}
	x := c.Shape(0)
	pads, ok := sliceInts(c, 1)
	if !ok {
		return fmt.Errorf("the pads must be known while the graph is built")
	}
	axes := make([]int64, len(x))
	for i := range axes {
		axes[i] = int64(i)
	}
	if c.Has(3) {
		if axes, ok = c.ConstInts(3); !ok {
			return fmt.Errorf("the axes must be known while the graph is built")
		}
	}
	if len(pads) != 2*len(axes) {
		return fmt.Errorf("%d pads for %d axes, want two for each", len(pads), len(axes))
	}
	out := append(graph.Shape(nil), x...)
	for i, a := range axes {
		axis, err := x.Axis(a)
		if err != nil {
			return err
		}
		out[axis] = out[axis].Add(pads[i]).Add(pads[len(axes)+i])
	}
	c.Out(0, c.DType(0), out)
	return nil
}

// gradPad pads the other way round: what was added is cut off, what was cut off is 0. The
// value gets what is not x's.
func gradPad(c *graph.Grad) []Value {
	if mode := c.Str("mode", "constant"); mode != "constant" {
		c.G.Fail(fmt.Errorf("Pad with mode %q has no gradient: only constant has", mode))
		return nil
	}
	dy, value, axes := c.DOut[0], c.In(2), c.In(3)
	in := []Value{dy, Sub(c.G.Int64(0), c.In(1))}
	if axes != nil {
		in = append(in, nil, axes)
	}
	dx := one(pad, nil, in...)
	d := []Value{dx, nil, nil, nil}
	if value != nil {
		d[2] = ReshapeTo(Sub(ReduceSum(dy, nil, false), ReduceSum(dx, nil, false)), ShapeOf(value))
	}
	return d[:len(c.Inputs)]
}

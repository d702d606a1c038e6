package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// DequantizeLinear is x as float32 times a scale for each index of an axis: x int8 with
// scale [x.Dim(axis)], or any x with a scalar scale.
func DequantizeLinear(x, scale Value, axis int64) Value {
	return one(dequantizeLinear, axisAttr(axis), x, scale)
}

var dequantizeLinear *graph.Op

func init() {
	axis := graph.Attr{Name: "axis", Kind: graph.IntAttr, Doc: "of a scale that is no scalar; 1 by default"}
	scale := graph.Arg{Name: "scale", Doc: "float32, a scalar or one value for each index of the axis"}
	zero := graph.Arg{Name: "zero_point", Doc: "shape of scale; 0 by default", Optional: true}
	dequantizeLinear = graph.Register(&graph.Op{
		Name: "DequantizeLinear", Since: 13, Doc: "y = (x − zero_point) · scale",
		Inputs:  []graph.Arg{{Name: "x", Doc: "integers of 8 or 16 bits, or int32"}, scale, zero},
		Outputs: []graph.Arg{{Name: "y", Doc: "float32, shape of x"}},
		Attrs:   []graph.Attr{axis},
		Infer: func(c *graph.Infer) error {
			if t := c.DType(0); !quantized[t] && t != graph.Int32 {
				return fmt.Errorf("x is %v, want integers of 8 or 16 bits, or int32", t)
			}
			if err := wantScale(c, c.DType(0)); err != nil {
				return err
			}
			c.Out(0, graph.Float32, c.Shape(0))
			return nil
		},
		NoGrad: "weights are stored in integers for inference only",
	})
	graph.Register(&graph.Op{
		Name: "QuantizeLinear", Since: 13, Doc: "y = saturate(round(x / scale) + zero_point), ties to even",
		Inputs:  []graph.Arg{{Name: "x", Doc: "float32"}, scale, zero},
		Outputs: []graph.Arg{{Name: "y", Doc: "the type of zero_point, uint8 without one; shape of x"}},
		Attrs:   []graph.Attr{axis},
		Infer: func(c *graph.Infer) error {
			if err := c.Want(0, graph.Float32, -1); err != nil {
				return err
			}
			to := graph.Uint8
			if c.Has(2) {
				to = c.DType(2)
			}
			if !quantized[to] {
				return fmt.Errorf("zero_point is %v, want integers of 8 or 16 bits", to)
			}
			if err := wantScale(c, to); err != nil {
				return err
			}
			c.Out(0, to, c.Shape(0))
			return nil
		},
		NoGrad: "the result is an integer",
	})
}

// quantized are the types that floats are rounded to.
var quantized = map[graph.DType]bool{graph.Int8: true, graph.Uint8: true, graph.Int16: true, graph.Uint16: true}

// wantScale checks scale and zero point against the axis.
func wantScale(c *graph.Infer, zero graph.DType) error {
	if err := c.Want(1, graph.Float32, -1); err != nil {
		return err
	}
	scale := c.Shape(1)
	if c.Has(2) && (c.DType(2) != zero || !c.Shape(2).Equal(scale)) {
		return fmt.Errorf("zero_point is %v%v, want %v%v", c.DType(2), c.Shape(2), zero, scale)
	}
	if len(scale) == 0 || len(scale) == 1 && scale[0].Is(1) {
		return nil
	}
	axis, err := c.Shape(0).Axis(c.Int("axis", 1))
	if err != nil {
		return err
	}
	if len(scale) != 1 || !scale[0].Equal(c.Shape(0)[axis]) {
		return fmt.Errorf("scale %v does not fit axis %d of %v", scale, axis, c.Shape(0))
	}
	return nil
}

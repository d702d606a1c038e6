package cpu

import (
	"math"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
)

func init() {
	register("", map[string]Kernel{
		"DequantizeLinear": {Run: runDequantizeLinear},
		"QuantizeLinear":   {Run: runQuantizeLinear},
	})
}

// eachScaled calls f for every element with the index of its scale.
func eachScaled(c *backend.Call, f func(i, scale int)) {
	shape := c.In[0].Shape
	if c.In[1].Elements() == 1 {
		for i := range product(shape) {
			f(i, 0)
		}
		return
	}
	outer, extent, inner := lanes(shape, axisOf(c.Node.Int("axis", 1), len(shape)))
	i := 0
	for range outer {
		for s := range extent {
			for range inner {
				f(i, s)
				i++
			}
		}
	}
}

func runDequantizeLinear(_ *Device, c *backend.Call) error {
	switch c.In[0].DType {
	case graph.Int8:
		dequantize[int8](c)
	case graph.Uint8:
		dequantize[uint8](c)
	case graph.Int16:
		dequantize[int16](c)
	case graph.Uint16:
		dequantize[uint16](c)
	case graph.Int32:
		dequantize[int32](c)
	default:
		return unsupported(c)
	}
	return nil
}

func dequantize[T number](c *backend.Call) {
	x, scale, y := backend.As[T](c.In[0]), f32(c.In[1]), f32(c.Out[0])
	var zero []T
	if z := c.Input(2); z.Present() {
		zero = backend.As[T](z)
	}
	eachScaled(c, func(i, s int) {
		v := int64(x[i])
		if zero != nil {
			v -= int64(zero[s])
		}
		y[i] = float32(v) * scale[s]
	})
}

func runQuantizeLinear(_ *Device, c *backend.Call) error {
	switch c.Out[0].DType {
	case graph.Int8:
		quantize[int8](c, math.MinInt8, math.MaxInt8)
	case graph.Uint8:
		quantize[uint8](c, 0, math.MaxUint8)
	case graph.Int16:
		quantize[int16](c, math.MinInt16, math.MaxInt16)
	case graph.Uint16:
		quantize[uint16](c, 0, math.MaxUint16)
	default:
		return unsupported(c)
	}
	return nil
}

func quantize[T number](c *backend.Call, least, most float64) {
	x, scale, y := f32(c.In[0]), f32(c.In[1]), backend.As[T](c.Out[0])
	var zero []T
	if z := c.Input(2); z.Present() {
		zero = backend.As[T](z)
	}
	eachScaled(c, func(i, s int) {
		v := math.RoundToEven(float64(x[i] / scale[s]))
		if zero != nil {
			v += float64(zero[s])
		}
		y[i] = T(min(max(v, least), most))
	})
}

package cpu

import (
	"fmt"
	"math"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/half"
)

func init() {
	register("", map[string]Kernel{
		"Shape":           {Run: runShape},
		"Size":            {Run: func(_ *Device, c *backend.Call) error { c.Out[0].I64()[0] = int64(c.In[0].Elements()); return nil }},
		"Constant":        {Run: runConstant},
		"ConstantOfShape": {Run: runConstantOfShape},
		"Range":           {Run: runRange},
		"Cast":            {Run: runCast},
		"Conv":            {Run: runConvolution},
	})
}

func runShape(_ *Device, c *backend.Call) error {
	shape, y := c.In[0].Shape, c.Out[0].I64()
	start := c.Node.Int("start", 0)
	if start < 0 {
		start += int64(len(shape))
	}
	start = min(max(start, 0), int64(len(shape)))
	for i := range y {
		y[i] = int64(shape[int(start)+i])
	}
	return nil
}

func runConstant(_ *Device, c *backend.Call) error {
	t, err := op.ConstantData(c.Node)
	if err != nil {
		return err
	}
	copy(c.Out[0].Data, t.Data)
	return nil
}

func runConstantOfShape(_ *Device, c *backend.Call) error {
	y := c.Out[0]
	clear(y.Data)
	if v := c.Node.Tensor("value"); v != nil && len(v.Data) > 0 {
		for i := 0; i < len(y.Data); i += len(v.Data) {
			copy(y.Data[i:], v.Data)
		}
	}
	return nil
}

func runRange(_ *Device, c *backend.Call) error {
	switch c.In[0].DType {
	case graph.Int64:
		rangeOf[int64](c)
	case graph.Int32:
		rangeOf[int32](c)
	case graph.Int16:
		rangeOf[int16](c)
	case graph.Float32:
		rangeOf[float32](c)
	case graph.Float64:
		rangeOf[float64](c)
	default:
		return unsupported(c)
	}
	return nil
}

func rangeOf[T number](c *backend.Call) {
	start, delta := backend.As[T](c.In[0])[0], backend.As[T](c.In[2])[0]
	y := backend.As[T](c.Out[0])
	for i := range y {
		y[i] = start + T(i)*delta
	}
}

func runCast(d *Device, c *backend.Call) error {
	x, y := c.In[0], c.Out[0]
	if x.DType == y.DType {
		copy(y.Data, x.Data)
		return nil
	}
	if y.DType == graph.Float32 && x.DType == graph.Int64 {
		convert(x.I64(), y.F32())
		return nil
	}
	if y.DType == graph.Float32 && x.DType == graph.Bool {
		to := y.F32()
		for i, b := range x.Data {
			to[i] = float32(b)
		}
		return nil
	}
	if y.DType == graph.Float32 && (x.DType == graph.BFloat16 || x.DType == graph.Float16 || x.DType == graph.Int8) {
		kernel.Widen(d.Pool, y.F32(), narrowOf(x, nil))
		return nil
	}
	if y.DType == graph.BFloat16 && x.DType == graph.Float32 {
		kernel.ToBFloat16(d.Pool, backend.As[uint16](y), x.F32())
		return nil
	}
	if x.DType.IsFloat() {
		v, err := doubles(x)
		if err != nil {
			return err
		}
		return castFloats(v, y)
	}
	v, err := x.ToGraph().Int64s()
	if err != nil {
		return err
	}
	return castInts(v, y)
}

// doubles reads floats of any width.
func doubles(t *backend.Tensor) ([]float64, error) {
	out := make([]float64, t.Elements())
	switch t.DType {
	case graph.Float64:
		copy(out, backend.As[float64](t))
	case graph.Float32:
		for i, v := range t.F32() {
			out[i] = float64(v)
		}
	case graph.Float16:
		for i, v := range backend.As[uint16](t) {
			out[i] = float64(half.FromFloat16(v))
		}
	case graph.BFloat16:
		for i, v := range backend.As[uint16](t) {
			out[i] = float64(half.FromBFloat16(v))
		}
	default:
		return nil, fmt.Errorf("the cpu kernel does not read %v", t.DType)
	}
	return out, nil
}

func castFloats(v []float64, y *backend.Tensor) error {
	switch y.DType {
	case graph.Float32:
		convert(v, y.F32())
	case graph.Float64:
		copy(backend.As[float64](y), v)
	case graph.Float16:
		for i, x := range v {
			backend.As[uint16](y)[i] = half.ToFloat16(float32(x))
		}
	case graph.BFloat16:
		for i, x := range v {
			backend.As[uint16](y)[i] = half.ToBFloat16(float32(x))
		}
	case graph.Bool:
		for i, x := range v {
			backend.As[bool](y)[i] = x != 0
		}
	default:
		whole := make([]int64, len(v))
		for i, x := range v {
			whole[i] = int64(x)
			if x >= math.MaxInt64 && y.DType == graph.Uint64 {
				whole[i] = int64(uint64(x))
			}
		}
		return castInts(whole, y)
	}
	return nil
}

func castInts(v []int64, y *backend.Tensor) error {
	switch y.DType {
	case graph.Float32:
		convert(v, y.F32())
	case graph.Float64:
		convert(v, backend.As[float64](y))
	case graph.Int64:
		copy(y.I64(), v)
	case graph.Uint64:
		convert(v, backend.As[uint64](y))
	case graph.Int32:
		convert(v, backend.As[int32](y))
	case graph.Uint32:
		convert(v, backend.As[uint32](y))
	case graph.Int16:
		convert(v, backend.As[int16](y))
	case graph.Uint16:
		convert(v, backend.As[uint16](y))
	case graph.Int8:
		convert(v, backend.As[int8](y))
	case graph.Uint8:
		convert(v, backend.As[uint8](y))
	case graph.Bool:
		for i, x := range v {
			backend.As[bool](y)[i] = x != 0
		}
	case graph.Float16, graph.BFloat16:
		f := make([]float64, len(v))
		convert(v, f)
		return castFloats(f, y)
	default:
		return fmt.Errorf("the cpu kernel does not cast to %v", y.DType)
	}
	return nil
}

func convert[T, U number](from []T, to []U) {
	for i, x := range from {
		to[i] = U(x)
	}
}

// runConvolution is the plain loop over any number of spatial axes: exports use it for
// depthwise convolutions of a few taps, which is all this project writes.
func runConvolution(_ *Device, c *backend.Call) error {
	if c.In[0].DType != graph.Float32 {
		return unsupported(c)
	}
	x, w, y := c.In[0], c.In[1], c.Out[0]
	spatial, taps := dimsOf(x.Shape[2:]), dimsOf(w.Shape[2:])
	window, err := op.ConvWindow(c.Node, spatial, taps)
	if err != nil {
		return err
	}
	before := make([]int, len(window.Before))
	for i, b := range window.Before {
		n, _ := b.Int()
		before[i] = int(n)
	}
	groups := int(c.Node.Int("group", 1))
	perGroup, perChannel := w.Shape[1], y.Shape[1]/groups
	in, kernelSize := product(x.Shape[2:]), product(w.Shape[2:])
	xs, ws, ys, bias := f32(x), f32(w), f32(y), f32(c.Input(2))
	fromX, fromW := strides(x.Shape[2:]), strides(w.Shape[2:])
	place(y.Shape, func(at int, index []int) {
		b, m := index[0], index[1]
		sum := float32(0)
		if bias != nil {
			sum = bias[m]
		}
		for t := range kernelSize {
			i, inside := 0, true
			for k := range before {
				tap := t / fromW[k] % w.Shape[2+k]
				p := index[2+k]*int(window.Strides[k]) + tap*int(window.Dilations[k]) - before[k]
				inside = inside && p >= 0 && p < x.Shape[2+k]
				i += p * fromX[k]
			}
			if !inside {
				continue
			}
			for ch := range perGroup {
				sum += ws[(m*perGroup+ch)*kernelSize+t] * xs[(b*x.Shape[1]+m/perChannel*perGroup+ch)*in+i]
			}
		}
		ys[at] = sum
	})
	return nil
}

func dimsOf(shape []int) graph.Shape {
	out := make(graph.Shape, len(shape))
	for i, n := range shape {
		out[i] = graph.Const(int64(n))
	}
	return out
}

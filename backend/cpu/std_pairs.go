package cpu

import (
	"fmt"
	"math"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/graph"
)

func init() {
	register("", map[string]Kernel{
		"Add": pairs(arithmetic(func(a, b int64) int64 { return a + b }, func(a, b float64) float64 { return a + b }), f32Pairs(addLoops)),
		"Sub": pairs(arithmetic(func(a, b int64) int64 { return a - b }, func(a, b float64) float64 { return a - b }), f32Pairs(subLoops)),
		"Mul": pairs(arithmetic(func(a, b int64) int64 { return a * b }, func(a, b float64) float64 { return a * b }), f32Pairs(mulLoops)),
		"Div": pairs(byType{
			graph.Float64: perPair(func(a, b float64) float64 { return a / b }),
			graph.Int8:    perPair(quotient[int8]), graph.Int16: perPair(quotient[int16]), graph.Int32: perPair(quotient[int32]), graph.Int64: perPair(quotient[int64]),
			graph.Uint8: perPair(quotient[uint8]), graph.Uint16: perPair(quotient[uint16]), graph.Uint32: perPair(quotient[uint32]), graph.Uint64: perPair(quotient[uint64]),
		}, f32Pairs(divLoops)),
		"Mod":            {Run: runMod},
		"Pow":            {Run: runPow},
		"Equal":          pairs(equalities(), nil),
		"Greater":        pairs(relations(greater[float32], greater[float64], greater[int64], greater[uint64]), nil),
		"Less":           pairs(relations(less[float32], less[float64], less[int64], less[uint64]), nil),
		"GreaterOrEqual": pairs(relations(atLeast[float32], atLeast[float64], atLeast[int64], atLeast[uint64]), nil),
		"LessOrEqual":    pairs(relations(atMost[float32], atMost[float64], atMost[int64], atMost[uint64]), nil),
		"And":            pairs(byType{graph.Bool: perPair(func(a, b bool) bool { return a && b })}, nil),
		"Or":             pairs(byType{graph.Bool: perPair(func(a, b bool) bool { return a || b })}, nil),
		"Xor":            pairs(byType{graph.Bool: perPair(func(a, b bool) bool { return a != b })}, nil),
	})
}

// pairs is a kernel on two broadcast operands of one type.
func pairs(fs byType, float32s rowsFunc) Kernel {
	if float32s != nil {
		fs[graph.Float32] = float32s
	}
	return Kernel{Run: func(d *Device, c *backend.Call) error {
		f := fs[c.Input(0).DType]
		if f == nil {
			return unsupported(c)
		}
		return d.elements(c, f)
	}}
}

// unsupported is the error of a kernel that lacks an element type.
func unsupported(c *backend.Call) error {
	return fmt.Errorf("the cpu kernel of %s does not take %v", c.Node.Op, c.Input(0).DType)
}

// perPair applies a function to every pair of elements.
func perPair[T, U any](f func(a, b T) U) rowsFunc {
	return func(c *backend.Call, from, to int) {
		dst, x, y := backend.As[U](c.Out[0]), backend.As[T](c.In[0]), backend.As[T](c.In[1])
		var l layout
		l.broadcast(c.Out[0].Shape, c.In[0].Shape, c.In[1].Shape, nil)
		from, to = span(from, to, len(dst))
		l.each(from, to, func(at, n int, off, step [3]int) {
			i, j, si, sj := off[0], off[1], step[0], step[1]
			for k := range dst[at : at+n] {
				dst[at+k] = f(x[i], y[j])
				i += si
				j += sj
			}
		})
	}
}

// loops are the inner loops of arithmetic on float32: two vectors, or one and a number.
type loops struct {
	vv func(dst, x, y []float32)
	vs func(dst, x []float32, y float32)
	sv func(dst []float32, x float32, y []float32)
}

// f32Pairs applies loops to broadcast operands.
func f32Pairs(f loops) rowsFunc {
	return func(c *backend.Call, from, to int) {
		dst, x, y := c.Out[0].F32(), c.In[0].F32(), c.In[1].F32()
		var l layout
		l.broadcast(c.Out[0].Shape, c.In[0].Shape, c.In[1].Shape, nil)
		from, to = span(from, to, len(dst))
		l.each(from, to, func(at, n int, off, step [3]int) {
			i, j, out := off[0], off[1], dst[at:at+n]
			switch {
			case step[0] == 0 && n > 1:
				f.sv(out, x[i], y[j:j+n])
			case step[1] == 0:
				f.vs(out, x[i:i+n], y[j])
			default:
				f.vv(out, x[i:i+n], y[j:j+n])
			}
		})
	}
}

var addLoops = loops{
	vv: func(dst, x, y []float32) { kernel.Add(nil, dst, x, y) },
	vs: func(dst, x []float32, y float32) {
		for i, v := range x {
			dst[i] = v + y
		}
	},
	sv: func(dst []float32, x float32, y []float32) {
		for i, v := range y {
			dst[i] = x + v
		}
	},
}

var subLoops = loops{
	vv: func(dst, x, y []float32) {
		y = y[:len(x)]
		for i, v := range x {
			dst[i] = v - y[i]
		}
	},
	vs: func(dst, x []float32, y float32) {
		for i, v := range x {
			dst[i] = v - y
		}
	},
	sv: func(dst []float32, x float32, y []float32) {
		for i, v := range y {
			dst[i] = x - v
		}
	},
}

var mulLoops = loops{
	vv: func(dst, x, y []float32) { kernel.Mul(nil, dst, x, y) },
	vs: func(dst, x []float32, y float32) { kernel.Scale(nil, dst, y, x) },
	sv: func(dst []float32, x float32, y []float32) { kernel.Scale(nil, dst, x, y) },
}

var divLoops = loops{
	vv: func(dst, x, y []float32) {
		y = y[:len(x)]
		for i, v := range x {
			dst[i] = v / y[i]
		}
	},
	vs: func(dst, x []float32, y float32) {
		for i, v := range x {
			dst[i] = v / y
		}
	},
	sv: func(dst []float32, x float32, y []float32) {
		for i, v := range y {
			dst[i] = x / v
		}
	},
}

// arithmetic is a function for all number types but float32. Integers of every width
// are computed in 64 bits and cut off, which gives the same bits.
func arithmetic(ints func(a, b int64) int64, floats func(a, b float64) float64) byType {
	return byType{
		graph.Float64: perPair(floats), graph.Int64: perPair(ints),
		graph.Int8: wrapped[int8](ints), graph.Int16: wrapped[int16](ints), graph.Int32: wrapped[int32](ints),
		graph.Uint8: wrapped[uint8](ints), graph.Uint16: wrapped[uint16](ints), graph.Uint32: wrapped[uint32](ints), graph.Uint64: wrapped[uint64](ints),
	}
}

func wrapped[T number](f func(a, b int64) int64) rowsFunc {
	return perPair(func(a, b T) T { return T(f(int64(a), int64(b))) })
}

// quotient truncates towards zero; a division by 0 gives 0.
func quotient[T number](a, b T) T {
	if b == 0 {
		return 0
	}
	return a / b
}

func greater[T number](a, b T) bool { return a > b }
func less[T number](a, b T) bool    { return a < b }
func atLeast[T number](a, b T) bool { return a >= b }
func atMost[T number](a, b T) bool  { return a <= b }

// relations is a comparison for every number type.
func relations(f32 func(a, b float32) bool, f64 func(a, b float64) bool, signed func(a, b int64) bool, unsigned func(a, b uint64) bool) byType {
	return byType{
		graph.Float32: perPair(f32), graph.Float64: perPair(f64), graph.Int64: perPair(signed), graph.Uint64: perPair(unsigned),
		graph.Int8: compared[int8](signed), graph.Int16: compared[int16](signed), graph.Int32: compared[int32](signed),
		graph.Uint8: compared[uint8](signed), graph.Uint16: compared[uint16](signed), graph.Uint32: compared[uint32](signed),
	}
}

func compared[T number](f func(a, b int64) bool) rowsFunc {
	return perPair(func(a, b T) bool { return f(int64(a), int64(b)) })
}

func equalities() byType {
	fs := relations(same[float32], same[float64], same[int64], same[uint64])
	fs[graph.Bool] = perPair(same[bool])
	return fs
}

func same[T comparable](a, b T) bool { return a == b }

func runMod(d *Device, c *backend.Call) error {
	fmod := c.Node.Int("fmod", 0) != 0
	switch c.Input(0).DType {
	case graph.Float32:
		return d.elements(c, perPair(func(a, b float32) float32 { return float32(floatMod(float64(a), float64(b), fmod)) }))
	case graph.Float64:
		return d.elements(c, perPair(func(a, b float64) float64 { return floatMod(a, b, fmod) }))
	case graph.Int8:
		return d.elements(c, perPair(intMod[int8](fmod)))
	case graph.Int16:
		return d.elements(c, perPair(intMod[int16](fmod)))
	case graph.Int32:
		return d.elements(c, perPair(intMod[int32](fmod)))
	case graph.Int64:
		return d.elements(c, perPair(intMod[int64](fmod)))
	case graph.Uint8:
		return d.elements(c, perPair(intMod[uint8](fmod)))
	case graph.Uint16:
		return d.elements(c, perPair(intMod[uint16](fmod)))
	case graph.Uint32:
		return d.elements(c, perPair(intMod[uint32](fmod)))
	case graph.Uint64:
		return d.elements(c, perPair(intMod[uint64](fmod)))
	}
	return unsupported(c)
}

func floatMod(a, b float64, fmod bool) float64 {
	r := math.Mod(a, b)
	if !fmod && r != 0 && (r < 0) != (b < 0) {
		r += b
	}
	return r
}

// intMod has the sign of b, or with fmod that of a; a remainder by 0 is 0.
func intMod[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64](fmod bool) func(a, b T) T {
	return func(a, b T) T {
		if b == 0 {
			return 0
		}
		r := a % b
		if !fmod && r != 0 && (r < 0) != (b < 0) {
			r += b
		}
		return r
	}
}

func runPow(d *Device, c *backend.Call) error {
	switch c.Input(0).DType {
	case graph.Float32:
		if c.Input(1).DType == graph.Float32 {
			return d.elements(c, powFloat32)
		}
		return powTo[float32](d, c)
	case graph.Float64:
		return powTo[float64](d, c)
	case graph.Int32:
		return powTo[int32](d, c)
	case graph.Int64:
		return powTo[int64](d, c)
	}
	return unsupported(c)
}

// powFloat32 takes the common exponents without a call of the library.
func powFloat32(c *backend.Call, from, to int) {
	dst, x, y := c.Out[0].F32(), c.In[0].F32(), c.In[1].F32()
	if len(y) == 1 && len(x) == len(dst) && (y[0] == 2 || y[0] == 1 || y[0] == 3) {
		from, to = span(from, to, len(dst))
		for i, v := range x[from:to] {
			p := v
			for range int(y[0]) - 1 {
				p *= v
			}
			dst[from+i] = p
		}
		return
	}
	anyPowFloat32(c, from, to)
}

var anyPowFloat32 = perPair(func(a, b float32) float32 { return float32(math.Pow(float64(a), float64(b))) })

// powTo raises elements of type T to exponents of any number type.
func powTo[T number](d *Device, c *backend.Call) error {
	switch c.Input(1).DType {
	case graph.Float32:
		return d.elements(c, powers[T, float32])
	case graph.Float64:
		return d.elements(c, powers[T, float64])
	case graph.Int32:
		return d.elements(c, powers[T, int32])
	case graph.Int64:
		return d.elements(c, powers[T, int64])
	case graph.Uint32:
		return d.elements(c, powers[T, uint32])
	case graph.Uint64:
		return d.elements(c, powers[T, uint64])
	}
	return fmt.Errorf("the cpu kernel of Pow does not take exponents of %v", c.Input(1).DType)
}

func powers[T, E number](c *backend.Call, from, to int) {
	dst, x, y := backend.As[T](c.Out[0]), backend.As[T](c.In[0]), backend.As[E](c.In[1])
	var l layout
	l.broadcast(c.Out[0].Shape, c.In[0].Shape, c.In[1].Shape, nil)
	from, to = span(from, to, len(dst))
	l.each(from, to, func(at, n int, off, step [3]int) {
		for k := range n {
			dst[at+k] = T(math.Pow(float64(x[off[0]+k*step[0]]), float64(y[off[1]+k*step[1]])))
		}
	})
}

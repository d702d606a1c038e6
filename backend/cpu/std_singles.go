package cpu

import (
	"math"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/graph"
)

func init() {
	register("", map[string]Kernel{
		"Exp":         fastSingle(kernel.Exp, math.Exp),
		"Log":         fastSingle(kernel.Log, math.Log),
		"Sigmoid":     fastSingle(kernel.Sigmoid, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }),
		"Tanh":        fastSingle(kernel.Tanh, math.Tanh),
		"Softplus":    fastSingle(kernel.Softplus, func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }),
		"Sqrt":        single(perElement(sqrt32), math.Sqrt, nil),
		"Erf":         floatSingle(math.Erf),
		"Sin":         floatSingle(math.Sin),
		"Cos":         floatSingle(math.Cos),
		"Tan":         floatSingle(math.Tan),
		"Asin":        floatSingle(math.Asin),
		"Acos":        floatSingle(math.Acos),
		"Atan":        floatSingle(math.Atan),
		"Sinh":        floatSingle(math.Sinh),
		"Cosh":        floatSingle(math.Cosh),
		"Asinh":       floatSingle(math.Asinh),
		"Acosh":       floatSingle(math.Acosh),
		"Atanh":       floatSingle(math.Atanh),
		"Floor":       floatSingle(math.Floor),
		"Ceil":        floatSingle(math.Ceil),
		"Round":       floatSingle(math.RoundToEven),
		"Softsign":    floatSingle(func(x float64) float64 { return x / (1 + math.Abs(x)) }),
		"HardSwish":   floatSingle(func(x float64) float64 { return x * max(0, min(1, x/6+0.5)) }),
		"Mish":        floatSingle(func(x float64) float64 { return x * math.Tanh(max(x, 0)+math.Log1p(math.Exp(-math.Abs(x)))) }),
		"Reciprocal":  single(perElement(func(x float32) float32 { return 1 / x }), func(x float64) float64 { return 1 / x }, nil),
		"Neg":         single(perElement(func(x float32) float32 { return -x }), func(x float64) float64 { return -x }, func(x int64) int64 { return -x }),
		"Abs":         single(perElement(abs32), math.Abs, func(x int64) int64 { return max(x, -x) }),
		"Sign":        single(perElement(func(x float32) float32 { return float32(sign(float64(x))) }), sign, func(x int64) int64 { return min(max(x, -1), 1) }),
		"Relu":        single(fastRelu, func(x float64) float64 { return max(x, 0) }, func(x int64) int64 { return max(x, 0) }),
		"LeakyRelu":   shaped(func(n *graph.Node) func(float64) float64 { return leaky(float64(n.Float("alpha", 0.01))) }),
		"Elu":         shaped(func(n *graph.Node) func(float64) float64 { return elu(float64(n.Float("alpha", 1)), 1) }),
		"Celu":        shaped(func(n *graph.Node) func(float64) float64 { return celu(float64(n.Float("alpha", 1))) }),
		"Selu":        shaped(selu),
		"HardSigmoid": shaped(hardSigmoid),
		"ThresholdedRelu": shaped(func(n *graph.Node) func(float64) float64 {
			return threshold(float64(n.Float("alpha", 1)))
		}),
		"Shrink": shaped(shrink),
		"Not":    {Run: func(d *Device, c *backend.Call) error { return d.elements(c, negated) }},
		"IsNaN":  {Run: runIsNaN},
		"IsInf":  {Run: runIsInf},
	})
}

// perElement applies a function to every element.
func perElement[T, U any](f func(T) U) rowsFunc {
	return func(c *backend.Call, from, to int) {
		dst, x := backend.As[U](c.Out[0]), backend.As[T](c.In[0])
		from, to = span(from, to, len(dst))
		dst = dst[from:to]
		for i, v := range x[from:to] {
			dst[i] = f(v)
		}
	}
}

// single is a kernel of one operand; a nil function means that the type is not taken.
func single(float32s rowsFunc, floats func(float64) float64, ints func(int64) int64) Kernel {
	fs := byType{graph.Float32: float32s}
	if floats != nil {
		fs[graph.Float64] = perElement(floats)
	}
	if ints != nil {
		for t, f := range integers(ints) {
			fs[t] = f
		}
	}
	return Kernel{Run: func(d *Device, c *backend.Call) error {
		f := fs[c.Input(0).DType]
		if f == nil {
			return unsupported(c)
		}
		return d.elements(c, f)
	}}
}

// integers is a function of int64 for every integer type; uint64 beyond int64 wraps.
func integers(f func(int64) int64) byType {
	return byType{
		graph.Int8: narrowed[int8](f), graph.Int16: narrowed[int16](f), graph.Int32: narrowed[int32](f), graph.Int64: perElement(f),
		graph.Uint8: narrowed[uint8](f), graph.Uint16: narrowed[uint16](f), graph.Uint32: narrowed[uint32](f), graph.Uint64: narrowed[uint64](f),
	}
}

func narrowed[T number](f func(int64) int64) rowsFunc {
	return perElement(func(x T) T { return T(f(int64(x))) })
}

// floatSingle is a kernel of floats that computes in float64.
func floatSingle(f func(float64) float64) Kernel {
	return single(perElement(func(x float32) float32 { return float32(f(float64(x))) }), f, nil)
}

// fastSingle takes float32 to a vector kernel.
func fastSingle(fast func(p *kernel.Pool, dst, x []float32), f func(float64) float64) Kernel {
	slow := perElement(f)
	return Kernel{Run: func(d *Device, c *backend.Call) error {
		switch c.Input(0).DType {
		case graph.Float32:
			fast(d.Pool, f32(c.Output(0)), f32(c.Input(0)))
			return nil
		case graph.Float64:
			return d.elements(c, slow)
		}
		return unsupported(c)
	}}
}

// shaped is a kernel of floats whose function depends on attributes.
func shaped(with func(n *graph.Node) func(float64) float64) Kernel {
	return Kernel{Run: func(d *Device, c *backend.Call) error {
		f := with(c.Node)
		switch c.Input(0).DType {
		case graph.Float32:
			return d.elements(c, perElement(func(x float32) float32 { return float32(f(float64(x))) }))
		case graph.Float64:
			return d.elements(c, perElement(f))
		}
		return unsupported(c)
	}}
}

func sqrt32(x float32) float32 { return float32(math.Sqrt(float64(x))) }
func abs32(x float32) float32  { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

// fastRelu is max(x, 0) of a block of elements.
func fastRelu(c *backend.Call, from, to int) {
	dst, x := c.Out[0].F32(), c.In[0].F32()
	from, to = span(from, to, len(dst))
	kernel.ReLU(nil, dst[from:to], x[from:to])
}

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return x // 0, −0 and NaN
}

func leaky(alpha float64) func(float64) float64 {
	return func(x float64) float64 {
		if x < 0 {
			return alpha * x
		}
		return x
	}
}

func elu(alpha, gamma float64) func(float64) float64 {
	return func(x float64) float64 {
		if x < 0 {
			return gamma * alpha * math.Expm1(x)
		}
		return gamma * x
	}
}

func celu(alpha float64) func(float64) float64 {
	return func(x float64) float64 { return max(0, x) + min(0, alpha*math.Expm1(x/alpha)) }
}

func selu(n *graph.Node) func(float64) float64 {
	return elu(float64(n.Float("alpha", 1.67326319217681884765625)), float64(n.Float("gamma", 1.05070102214813232421875)))
}

func hardSigmoid(n *graph.Node) func(float64) float64 {
	alpha, beta := float64(n.Float("alpha", 0.2)), float64(n.Float("beta", 0.5))
	return func(x float64) float64 { return max(0, min(1, alpha*x+beta)) }
}

func threshold(alpha float64) func(float64) float64 {
	return func(x float64) float64 {
		if x > alpha {
			return x
		}
		return 0
	}
}

func shrink(n *graph.Node) func(float64) float64 {
	lambda, bias := float64(n.Float("lambd", 0.5)), float64(n.Float("bias", 0))
	return func(x float64) float64 {
		switch {
		case x < -lambda:
			return x + bias
		case x > lambda:
			return x - bias
		}
		return 0
	}
}

var negated = perElement(func(x bool) bool { return !x })

func runIsNaN(d *Device, c *backend.Call) error {
	switch c.Input(0).DType {
	case graph.Float32:
		return d.elements(c, perElement(func(x float32) bool { return x != x }))
	case graph.Float64:
		return d.elements(c, perElement(math.IsNaN))
	}
	return unsupported(c)
}

func runIsInf(d *Device, c *backend.Call) error {
	positive, negative := c.Node.Int("detect_positive", 1) != 0, c.Node.Int("detect_negative", 1) != 0
	test := func(x float64) bool { return positive && math.IsInf(x, 1) || negative && math.IsInf(x, -1) }
	switch c.Input(0).DType {
	case graph.Float32:
		return d.elements(c, perElement(func(x float32) bool { return test(float64(x)) }))
	case graph.Float64:
		return d.elements(c, perElement(test))
	}
	return unsupported(c)
}

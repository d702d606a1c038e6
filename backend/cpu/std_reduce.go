package cpu

import (
	"fmt"
	"math"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/graph"
)

func init() {
	identity := func(x float64) float64 { return x }
	square := func(x float64) float64 { return x * x }
	plus := func(a, b float64) float64 { return a + b }
	register("", map[string]Kernel{
		"ReduceSum":       reductionOf(reducing{0, identity, plus, nil}),
		"ReduceMean":      reductionOf(reducing{0, identity, plus, func(s float64, n int) float64 { return s / float64(n) }}),
		"ReduceMax":       reductionOf(reducing{math.Inf(-1), identity, math.Max, nil}),
		"ReduceMin":       reductionOf(reducing{math.Inf(1), identity, math.Min, nil}),
		"ReduceProd":      reductionOf(reducing{1, identity, func(a, b float64) float64 { return a * b }, nil}),
		"ReduceSumSquare": reductionOf(reducing{0, square, plus, nil}),
		"ReduceL1":        reductionOf(reducing{0, math.Abs, plus, nil}),
		"ReduceL2":        reductionOf(reducing{0, square, plus, func(s float64, _ int) float64 { return math.Sqrt(s) }}),
		"ReduceLogSum":    reductionOf(reducing{0, identity, plus, func(s float64, _ int) float64 { return math.Log(s) }}),
		"ReduceLogSumExp": {Run: runLogSumExp},
		"CumSum":          {Run: runCumSum},
	})
}

// reducing is a reduction in float64: every element mapped, folded, and finished with the
// number of elements.
type reducing struct {
	start  float64
	each   func(x float64) float64
	fold   func(a, b float64) float64
	finish func(s float64, n int) float64
}

func reductionOf(r reducing) Kernel {
	return Kernel{
		Run: func(d *Device, c *backend.Call) error {
			w, err := reducedWalk(c)
			if err != nil {
				return err
			}
			if !summed(c) || c.In[0].DType != graph.Float32 || !sumFast(d, c, w) {
				return reduceAny(c, w, r)
			}
			if c.Node.Op == "ReduceMean" && !w.none {
				y := f32(c.Out[0])
				kernel.Scale(d.Pool, y, 1/float32(w.n), y)
			}
			return nil
		},
		Scratch: func(_ *Device, c *backend.Call) int {
			if !summed(c) {
				return 0
			}
			if rows, width, ok := leadingSum(c.In[0].Shape, c.Out[0].Elements()); ok {
				return 4 * kernel.SumLeadingScratch(rows, width)
			}
			return 0
		},
	}
}

// summed reports whether the vector kernels can take a reduction.
func summed(c *backend.Call) bool { return c.Node.Op == "ReduceSum" || c.Node.Op == "ReduceMean" }

// walk is which axes of the input a reduction reduces.
type walk struct {
	shape   []int
	reduced [maxAxes]bool
	none    bool
	n       int // elements behind each result
}

func reducedWalk(c *backend.Call) (walk, error) {
	w := walk{shape: c.In[0].Shape, n: 1}
	if len(w.shape) > maxAxes {
		return w, fmt.Errorf("%d axes are more than the %d supported", len(w.shape), maxAxes)
	}
	axes := ints(c.Input(1))
	for i, d := range w.shape {
		all := len(axes) == 0 && c.Node.Int("noop_with_empty_axes", 0) == 0
		for _, a := range axes {
			all = all || axisOf(a, len(w.shape)) == i
		}
		w.reduced[i] = all
		if all {
			w.n *= d
		}
	}
	w.none = len(axes) == 0 && c.Node.Int("noop_with_empty_axes", 0) != 0
	return w, nil
}

// leadingSum reports whether a shape splits into rows of the result's width that are
// added up.
func leadingSum(shape []int, out int) (rows, width int, ok bool) {
	total := product(shape)
	if out == 0 || total%out != 0 {
		return 0, 0, false
	}
	return total / out, out, true
}

// sumFast takes sums over leading or trailing axes with the vector kernels.
func sumFast(d *Device, c *backend.Call, w walk) bool {
	r := len(w.shape)
	first, last := r, -1 // reduced axes form the range first … last
	for i := range r {
		if w.reduced[i] && w.shape[i] > 1 {
			first, last = min(first, i), max(last, i)
		}
	}
	for i := first; i <= last; i++ {
		if !w.reduced[i] && w.shape[i] > 1 {
			return false
		}
	}
	x, y := f32(c.In[0]), f32(c.Out[0])
	switch {
	case last < 0:
		copy(y, x)
	case product(w.shape[last+1:]) == 1:
		kernel.SumLast(d.Pool, product(w.shape[:first]), product(w.shape[first:]), x, y)
	case product(w.shape[:first]) == 1 && len(c.Scratch) >= 4*kernel.SumLeadingScratch(product(w.shape[first:last+1]), product(w.shape[last+1:])):
		kernel.SumLeading(d.Pool, product(w.shape[first:last+1]), product(w.shape[last+1:]), x, y, false, floats(c.Scratch))
	default:
		return false
	}
	return true
}

// reduceAny folds floats in float64, and integers in their own type where the result is one
// of sums, products or comparisons.
func reduceAny(c *backend.Call, w walk, r reducing) error {
	switch c.In[0].DType {
	case graph.Float32:
		reduceFloats[float32](c, w, r)
	case graph.Float64:
		reduceFloats[float64](c, w, r)
	case graph.Int64:
		reduceIntegers[int64](c, w, r)
	case graph.Int32:
		reduceIntegers[int32](c, w, r)
	case graph.Int8:
		reduceIntegers[int8](c, w, r)
	case graph.Uint8:
		reduceIntegers[uint8](c, w, r)
	case graph.Uint32:
		reduceIntegers[uint32](c, w, r)
	case graph.Uint64:
		reduceIntegers[uint64](c, w, r)
	case graph.Bool: // any and all
		if c.Node.Op != "ReduceMax" && c.Node.Op != "ReduceMin" {
			return unsupported(c)
		}
		start := map[string]uint8{"ReduceMax": 0, "ReduceMin": 1}[c.Node.Op]
		_, fold, _ := integerFold[uint8](c.Node.Op)
		foldIntegers(c, w, start, fold)
	default:
		return unsupported(c)
	}
	return nil
}

type integer interface {
	int8 | int32 | int64 | uint8 | uint32 | uint64
}

// reduceIntegers stays in the integers' type, where sums beyond 2⁵³ are exact, but for
// operators that divide or take roots and logarithms.
func reduceIntegers[T integer](c *backend.Call, w walk, r reducing) {
	start, fold, ok := integerFold[T](c.Node.Op)
	if !ok {
		reduceFloats[T](c, w, r)
		return
	}
	foldIntegers(c, w, start, fold)
}

// integerFold is the start of a reduction and how it takes one more element.
func integerFold[T integer](op string) (start T, fold func(a, x T) T, ok bool) {
	lowest, highest := limits[T]()
	switch op {
	case "ReduceSum":
		return 0, func(a, x T) T { return a + x }, true
	case "ReduceProd":
		return 1, func(a, x T) T { return a * x }, true
	case "ReduceSumSquare":
		return 0, func(a, x T) T { return a + x*x }, true
	case "ReduceL1":
		return 0, func(a, x T) T {
			if x < 0 {
				x = -x
			}
			return a + x
		}, true
	case "ReduceMax":
		return lowest, func(a, x T) T { return max(a, x) }, true
	case "ReduceMin":
		return highest, func(a, x T) T { return min(a, x) }, true
	}
	return 0, nil, false
}

// limits are the smallest and the largest value of a type.
func limits[T integer]() (lowest, highest T) {
	if ones := ^T(0); ones > 0 {
		return 0, ones
	}
	highest = 1
	for highest<<1 > 0 {
		highest = highest<<1 | 1
	}
	return -highest - 1, highest
}

func foldIntegers[T integer](c *backend.Call, w walk, start T, fold func(a, x T) T) {
	x, y := backend.As[T](c.In[0]), backend.As[T](c.Out[0])
	for i := range y {
		y[i] = start
	}
	l := w.layout()
	l.each(0, len(x), func(at, n int, off, step [3]int) {
		for k := range n {
			to := off[0] + k*step[0]
			y[to] = fold(y[to], x[at+k])
		}
	})
}

// layout is, for every element of the input in order, its place in the result.
func (w *walk) layout() layout {
	var steps [maxAxes]int
	step := 1
	for i := len(w.shape) - 1; i >= 0; i-- {
		if !w.reduced[i] {
			steps[i] = step
			step *= w.shape[i]
		}
	}
	var l layout
	l.strided(w.shape, steps[:len(w.shape)], 0)
	return l
}

func reduceFloats[T number](c *backend.Call, w walk, r reducing) {
	x, y := backend.As[T](c.In[0]), backend.As[T](c.Out[0])
	sums := make([]float64, len(y))
	for i := range sums {
		sums[i] = r.start
	}
	l := w.layout()
	l.each(0, len(x), func(at, n int, off, step [3]int) {
		for k := range n {
			to := off[0] + k*step[0]
			sums[to] = r.fold(sums[to], r.each(float64(x[at+k])))
		}
	})
	for i, s := range sums {
		if r.finish != nil && !w.none {
			s = r.finish(s, w.n)
		}
		if w.none && r.finish == nil {
			s = r.each(float64(x[i]))
		} else if w.none {
			s = r.finish(r.each(float64(x[i])), 1)
		}
		y[i] = T(s)
	}
}

func runLogSumExp(_ *Device, c *backend.Call) error {
	w, err := reducedWalk(c)
	if err != nil {
		return err
	}
	switch c.In[0].DType {
	case graph.Float32:
		logSumExp[float32](c, w)
	case graph.Float64:
		logSumExp[float64](c, w)
	default:
		return unsupported(c)
	}
	return nil
}

func logSumExp[T float32 | float64](c *backend.Call, w walk) {
	x, y := backend.As[T](c.In[0]), backend.As[T](c.Out[0])
	tops, sums := make([]float64, len(y)), make([]float64, len(y))
	for i := range tops {
		tops[i] = math.Inf(-1)
	}
	l := w.layout()
	l.each(0, len(x), func(at, n int, off, step [3]int) {
		for k := range n {
			to := off[0] + k*step[0]
			tops[to] = math.Max(tops[to], float64(x[at+k]))
		}
	})
	l.each(0, len(x), func(at, n int, off, step [3]int) {
		for k := range n {
			to := off[0] + k*step[0]
			if math.IsInf(tops[to], 0) {
				continue
			}
			sums[to] += math.Exp(float64(x[at+k]) - tops[to])
		}
	})
	for i := range y {
		y[i] = T(tops[i])
		if !math.IsInf(tops[i], 0) {
			y[i] = T(tops[i] + math.Log(sums[i]))
		}
	}
}

func runCumSum(_ *Device, c *backend.Call) error {
	switch c.In[0].DType {
	case graph.Float32:
		cumSum[float32](c)
	case graph.Float64:
		cumSum[float64](c)
	case graph.Int64:
		cumSum[int64](c)
	case graph.Int32:
		cumSum[int32](c)
	default:
		return unsupported(c)
	}
	return nil
}

func cumSum[T number](c *backend.Call) {
	x, y := backend.As[T](c.In[0]), backend.As[T](c.Out[0])
	shape := c.In[0].Shape
	outer, extent, inner := lanes(shape, axisOf(ints(c.Input(1))[0], len(shape)))
	exclusive, reverse := c.Node.Int("exclusive", 0) != 0, c.Node.Int("reverse", 0) != 0
	for r := range outer * inner {
		start := r/inner*extent*inner + r%inner
		var sum T
		for k := range extent {
			i := start + k*inner
			if reverse {
				i = start + (extent-1-k)*inner
			}
			v := x[i]
			if exclusive {
				y[i] = sum
				sum += v
			} else {
				sum += v
				y[i] = sum
			}
		}
	}
}

package cpu

import (
	"math"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/graph"
)

func init() {
	register("", map[string]Kernel{
		"Softmax":            {Run: runSoftmax},
		"LogSoftmax":         {Run: runLogSoftmax},
		"Hardmax":            {Run: runHardmax},
		"LayerNormalization": {runLayerNorm, scratchLayerNorm},
	})
}

func runSoftmax(d *Device, c *backend.Call) error {
	shape := c.Input(0).Shape
	outer, extent, inner := lanes(shape, axisOf(c.Node.Int("axis", -1), len(shape)))
	switch c.Input(0).DType {
	case graph.Float32:
		if inner == 1 {
			kernel.Softmax(d.Pool, outer, extent, f32(c.Input(0)), f32(c.Output(0)))
			return nil
		}
		return d.overRows(c, outer*inner, softmaxLanes[float32])
	case graph.Float64:
		return d.overRows(c, outer*inner, softmaxLanes[float64])
	}
	return unsupported(c)
}

func runLogSoftmax(d *Device, c *backend.Call) error {
	shape := c.Input(0).Shape
	outer, _, inner := lanes(shape, axisOf(c.Node.Int("axis", -1), len(shape)))
	switch c.Input(0).DType {
	case graph.Float32:
		return d.overRows(c, outer*inner, logSoftmaxLanes[float32])
	case graph.Float64:
		return d.overRows(c, outer*inner, logSoftmaxLanes[float64])
	}
	return unsupported(c)
}

func runHardmax(d *Device, c *backend.Call) error {
	shape := c.Input(0).Shape
	outer, _, inner := lanes(shape, axisOf(c.Node.Int("axis", -1), len(shape)))
	switch c.Input(0).DType {
	case graph.Float32:
		return d.overRows(c, outer*inner, hardmaxLanes[float32])
	case graph.Float64:
		return d.overRows(c, outer*inner, hardmaxLanes[float64])
	}
	return unsupported(c)
}

// lane is one line of elements along an axis: element i lies at start + i·step.
type lane struct{ start, step, n int }

// laneOf is the r-th lane along the axis of a node.
func laneOf(c *backend.Call, r int) lane {
	shape := c.In[0].Shape
	_, extent, inner := lanes(shape, axisOf(c.Node.Int("axis", -1), len(shape)))
	return lane{start: r/inner*extent*inner + r%inner, step: inner, n: extent}
}

func largest[T float32 | float64](x []T, l lane) float64 {
	top := math.Inf(-1)
	for i := range l.n {
		top = max(top, float64(x[l.start+i*l.step]))
	}
	return top
}

func softmaxLanes[T float32 | float64](c *backend.Call, from, to int) {
	x, y := backend.As[T](c.In[0]), backend.As[T](c.Out[0])
	for r := from; r < to; r++ {
		l := laneOf(c, r)
		top, sum := largest(x, l), 0.0
		for i := range l.n {
			at := l.start + i*l.step
			e := math.Exp(float64(x[at]) - top)
			sum += e
			y[at] = T(e)
		}
		for i := range l.n {
			y[l.start+i*l.step] /= T(sum)
		}
	}
}

func logSoftmaxLanes[T float32 | float64](c *backend.Call, from, to int) {
	x, y := backend.As[T](c.In[0]), backend.As[T](c.Out[0])
	for r := from; r < to; r++ {
		l := laneOf(c, r)
		top, sum := largest(x, l), 0.0
		for i := range l.n {
			sum += math.Exp(float64(x[l.start+i*l.step]) - top)
		}
		shift := top + math.Log(sum)
		for i := range l.n {
			at := l.start + i*l.step
			y[at] = T(float64(x[at]) - shift)
		}
	}
}

func hardmaxLanes[T float32 | float64](c *backend.Call, from, to int) {
	x, y := backend.As[T](c.In[0]), backend.As[T](c.Out[0])
	for r := from; r < to; r++ {
		l := laneOf(c, r)
		best := 0
		for i := range l.n {
			y[l.start+i*l.step] = 0
			if x[l.start+i*l.step] > x[l.start+best*l.step] {
				best = i
			}
		}
		if l.n > 0 {
			y[l.start+best*l.step] = 1
		}
	}
}

// layerRows is the number of normalized rows, and their width.
func layerRows(c *backend.Call) (rows, width int) {
	shape := c.Input(0).Shape
	axis := axisOf(c.Node.Int("axis", -1), len(shape))
	return product(shape[:axis]), product(shape[axis:])
}

// plainLayerNorm reports whether the vector kernel can take the call: float32, with gain
// and bias as wide as a row.
func plainLayerNorm(c *backend.Call) bool {
	_, width := layerRows(c)
	if c.Input(0).DType != graph.Float32 || c.Input(1).Elements() != width || c.Node.Int("stash_type", 1) != 1 {
		return false
	}
	return c.Input(2) == nil || c.Input(2).Elements() == width
}

func runLayerNorm(d *Device, c *backend.Call) error {
	if !plainLayerNorm(c) {
		switch c.Input(0).DType {
		case graph.Float32:
			layerNormAny[float32](c)
		case graph.Float64:
			layerNormAny[float64](c)
		default:
			return unsupported(c)
		}
		return nil
	}
	rows, width := layerRows(c)
	eps := c.Node.Float("epsilon", 1e-5)
	mean, rstd, scratch := f32(c.Output(1)), f32(c.Output(2)), floats(c.Scratch)
	if mean == nil {
		mean = scratch[:rows]
	}
	if rstd == nil {
		rstd = scratch[rows : 2*rows]
	}
	kernel.LayerNormForward(d.Pool, rows, width, eps, f32(c.Input(0)), f32(c.Input(1)), f32(c.Input(2)), f32(c.Output(0)), mean, rstd)
	return nil
}

func scratchLayerNorm(_ *Device, c *backend.Call) int {
	if !plainLayerNorm(c) {
		return 0
	}
	rows, _ := layerRows(c)
	return 8 * rows
}

// layerNormAny takes any gain and bias that broadcast to a row.
func layerNormAny[T float32 | float64](c *backend.Call) {
	rows, width := layerRows(c)
	x, y := backend.As[T](c.Input(0)), backend.As[T](c.Output(0))
	shape := c.Input(0).Shape
	row := shape[axisOf(c.Node.Int("axis", -1), len(shape)):]
	gain, bias := backend.As[T](c.Input(1)), backend.As[T](c.Input(2))
	var biasShape []int
	if bias != nil {
		biasShape = c.Input(2).Shape
	}
	var l layout
	l.broadcast(row, c.Input(1).Shape, biasShape, nil)
	for r := range rows {
		in, out := x[r*width:(r+1)*width], y[r*width:(r+1)*width]
		mean, rstd := moments(in, float64(c.Node.Float("epsilon", 1e-5)))
		l.each(0, width, func(at, n int, off, step [3]int) {
			for i := range n {
				v := (float64(in[at+i]) - mean) * rstd * float64(gain[off[0]+i*step[0]])
				if bias != nil {
					v += float64(bias[off[1]+i*step[1]])
				}
				out[at+i] = T(v)
			}
		})
		setStatistic(c.Output(1), r, mean)
		setStatistic(c.Output(2), r, rstd)
	}
}

func moments[T float32 | float64](x []T, eps float64) (mean, rstd float64) {
	for _, v := range x {
		mean += float64(v)
	}
	mean /= float64(len(x))
	square := 0.0
	for _, v := range x {
		square += (float64(v) - mean) * (float64(v) - mean)
	}
	return mean, 1 / math.Sqrt(square/float64(len(x))+eps)
}

func setStatistic(t *backend.Tensor, r int, v float64) {
	switch {
	case !t.Present():
	case t.DType == graph.Float64:
		backend.As[float64](t)[r] = v
	default:
		t.F32()[r] = float32(v)
	}
}

package cpu

import (
	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
)

func init() {
	register("", map[string]Kernel{
		"Where": {Run: runWhere},
		"Clip":  {Run: runClip},
		"Min":   {Run: folding(minimums)},
		"Max":   {Run: folding(maximums)},
		"Sum":   {Run: folding(sums)},
		"Mean":  {Run: runMean},
		"PRelu": {Run: runPRelu},
	})
}

func runWhere(d *Device, c *backend.Call) error {
	switch c.Input(1).DType.Size() {
	case 1:
		return d.elements(c, where[uint8])
	case 2:
		return d.elements(c, where[uint16])
	case 4:
		return d.elements(c, where[uint32])
	case 8:
		return d.elements(c, where[uint64])
	}
	return unsupported(c)
}

func where[T any](c *backend.Call, from, to int) {
	dst, condition, a, b := backend.As[T](c.Out[0]), backend.As[bool](c.In[0]), backend.As[T](c.In[1]), backend.As[T](c.In[2])
	var l layout
	l.broadcast(c.Out[0].Shape, c.In[0].Shape, c.In[1].Shape, c.In[2].Shape)
	from, to = span(from, to, len(dst))
	l.each(from, to, func(at, n int, off, step [3]int) {
		i, j, k := off[0], off[1], off[2]
		for x := range dst[at : at+n] {
			if condition[i] {
				dst[at+x] = a[j]
			} else {
				dst[at+x] = b[k]
			}
			i += step[0]
			j += step[1]
			k += step[2]
		}
	})
}

func runClip(d *Device, c *backend.Call) error {
	f := clips[c.Input(0).DType]
	if f == nil {
		return unsupported(c)
	}
	return d.elements(c, f)
}

var clips = byType{
	graph.Float32: clip[float32], graph.Float64: clip[float64],
	graph.Int8: clip[int8], graph.Int16: clip[int16], graph.Int32: clip[int32], graph.Int64: clip[int64],
	graph.Uint8: clip[uint8], graph.Uint16: clip[uint16], graph.Uint32: clip[uint32], graph.Uint64: clip[uint64],
}

// clip is min(max(x, low), high); NaN stays.
func clip[T number](c *backend.Call, from, to int) {
	dst, x := backend.As[T](c.Out[0]), backend.As[T](c.In[0])
	low, high := backend.As[T](c.Input(1)), backend.As[T](c.Input(2))
	from, to = span(from, to, len(dst))
	for i, v := range x[from:to] {
		if len(low) > 0 && v < low[0] {
			v = low[0]
		}
		if len(high) > 0 && v > high[0] {
			v = high[0]
		}
		dst[from+i] = v
	}
}

// folding combines any number of broadcast operands: the first is spread over the result,
// and each of the others is folded into it in place.
func folding(fs byType) func(d *Device, c *backend.Call) error {
	return func(d *Device, c *backend.Call) error {
		f := fs[c.Input(0).DType]
		if f == nil {
			return unsupported(c)
		}
		if len(c.In) == 2 {
			return d.elements(c, f)
		}
		broadcastInto(c.Out[0], c.In[0])
		for _, x := range c.In[1:] {
			if err := d.elements(&backend.Call{Node: c.Node, In: []*backend.Tensor{c.Out[0], x}, Out: c.Out}, f); err != nil {
				return err
			}
		}
		return nil
	}
}

func extremes(f64 func(a, b float64) float64, i64 func(a, b int64) int64, u64 func(a, b uint64) uint64) byType {
	fs := arithmetic(i64, f64)
	fs[graph.Uint64] = perPair(u64)
	fs[graph.Float32] = perPair(func(a, b float32) float32 { return float32(f64(float64(a), float64(b))) })
	return fs
}

var (
	minimums = extremes(func(a, b float64) float64 { return min(a, b) }, func(a, b int64) int64 { return min(a, b) }, func(a, b uint64) uint64 { return min(a, b) })
	maximums = extremes(func(a, b float64) float64 { return max(a, b) }, func(a, b int64) int64 { return max(a, b) }, func(a, b uint64) uint64 { return max(a, b) })
	sums     = byType{graph.Float32: f32Pairs(addLoops), graph.Float64: perPair(func(a, b float64) float64 { return a + b })}
)

func runMean(d *Device, c *backend.Call) error {
	if err := folding(sums)(d, c); err != nil {
		return err
	}
	n := float64(len(c.In))
	out := *c
	out.In = c.Out
	switch c.Out[0].DType {
	case graph.Float32:
		return d.elements(&out, perElement(func(x float32) float32 { return x / float32(n) }))
	default:
		return d.elements(&out, perElement(func(x float64) float64 { return x / n }))
	}
}

func runPRelu(d *Device, c *backend.Call) error {
	switch c.Input(0).DType {
	case graph.Float32:
		return d.elements(c, perPair(preluOf[float32]))
	case graph.Float64:
		return d.elements(c, perPair(preluOf[float64]))
	case graph.Int32:
		return d.elements(c, perPair(preluOf[int32]))
	case graph.Int64:
		return d.elements(c, perPair(preluOf[int64]))
	case graph.Uint32:
		return d.elements(c, perPair(preluOf[uint32]))
	case graph.Uint64:
		return d.elements(c, perPair(preluOf[uint64]))
	}
	return unsupported(c)
}

func preluOf[T number](x, slope T) T {
	if x < 0 {
		return slope * x
	}
	return x
}

package cpu

import (
	"fmt"
	"slices"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

func init() {
	same := Kernel{Run: func(_ *Device, c *backend.Call) error { copy(c.Out[0].Data, c.In[0].Data); return nil }}
	register("", map[string]Kernel{
		"Identity": same, "Reshape": same, "Squeeze": same, "Unsqueeze": same, "Flatten": same, "Dropout": {Run: runDropout},
		"Transpose": {Run: runTranspose},
		"Concat":    {Run: runConcat},
		"Split":     {Run: runSplit},
		"Slice":     {Run: runSlice},
		"Expand":    {Run: func(_ *Device, c *backend.Call) error { broadcastInto(c.Out[0], c.In[0]); return nil }},
		"Tile":      {Run: runTile},
		"Pad":       {Run: runPad},
		"Trilu":     {Run: runTrilu},
	})
	register(graph.Domain, map[string]Kernel{"SliceGrad": {Run: runSliceGrad}})
}

func runDropout(_ *Device, c *backend.Call) error {
	if t := c.Input(2); t.Present() && t.Data[0] != 0 && !dropsNothing(c.Input(1)) {
		return fmt.Errorf("operator Dropout in training mode is not supported: its randomness is not reproducible")
	}
	copy(c.Out[0].Data, c.In[0].Data)
	if mask := c.Output(1); mask.Present() {
		for i := range mask.Data {
			mask.Data[i] = 1
		}
	}
	return nil
}

// dropsNothing reports whether a ratio is given and 0.
func dropsNothing(ratio *backend.Tensor) bool {
	return ratio.Present() && !slices.ContainsFunc(ratio.Data, func(b byte) bool { return b != 0 })
}

// strides are the distances of neighbours along each axis of a dense tensor.
func strides(shape []int) []int {
	out := make([]int, len(shape))
	step := 1
	for i := len(shape) - 1; i >= 0; i-- {
		out[i] = step
		step *= shape[i]
	}
	return out
}

// gatherStrided copies, into a dense result, the elements of x at start + Σ index·steps.
func gatherStrided(dst, x []byte, size int, l *layout, n int) {
	switch size {
	case 4:
		copyStrided[uint32](dst, x, l, n)
	case 8:
		copyStrided[uint64](dst, x, l, n)
	case 2:
		copyStrided[uint16](dst, x, l, n)
	default:
		copyStrided[uint8](dst, x, l, n)
	}
}

func elementsOf[T any](b []byte) []T {
	return backend.As[T](&backend.Tensor{DType: sizedType[T](), Data: b})
}

// sizedType is some element type of the size of T.
func sizedType[T any]() graph.DType {
	var zero T
	switch any(zero).(type) {
	case uint64:
		return graph.Uint64
	case uint32:
		return graph.Uint32
	case uint16:
		return graph.Uint16
	}
	return graph.Uint8
}

func copyStrided[T any](dst, x []byte, l *layout, n int) {
	to, from := elementsOf[T](dst), elementsOf[T](x)
	l.each(0, n, func(at, n int, off, step [3]int) {
		i := off[0]
		if step[0] == 1 {
			copy(to[at:at+n], from[i:i+n])
			return
		}
		if step[0] == 0 {
			fill(to[at:at+n], from[i])
			return
		}
		for k := range to[at : at+n] {
			to[at+k] = from[i]
			i += step[0]
		}
	})
}

// fill sets all of dst to v, most of it by copies of its beginning, which stays in L1.
func fill[T any](dst []T, v T) {
	first := dst[:min(len(dst), 1024)]
	for i := range first {
		first[i] = v
	}
	for at := len(first); at < len(dst); at += len(first) {
		copy(dst[at:], first)
	}
}

// broadcastInto fills dst with x, stretched to its shape.
func broadcastInto(dst, x *backend.Tensor) {
	var l layout
	l.broadcast(dst.Shape, x.Shape, nil, nil)
	gatherStrided(dst.Data, x.Data, dst.DType.Size(), &l, dst.Elements())
}

func runTranspose(d *Device, c *backend.Call) error {
	x, y := c.Input(0), c.Output(0)
	var buffer [maxAxes]int
	perm := buffer[:len(x.Shape)]
	given := c.Node.Ints("perm") // checked by inference
	for i := range perm {
		perm[i] = len(perm) - 1 - i
		if given != nil {
			perm[i] = int(given[i])
		}
	}
	if x.DType == graph.Float32 {
		kernel.Permute(d.Pool, x.Shape, perm, f32(x), f32(y))
		return nil
	}
	from, steps := strides(x.Shape), make([]int, len(perm))
	for i, p := range perm {
		steps[i] = from[p]
	}
	var l layout
	l.strided(y.Shape, steps, 0)
	gatherStrided(y.Data, x.Data, x.DType.Size(), &l, y.Elements())
	return nil
}

// runConcat copies, for every index in front of the axis, one block of each part.
func runConcat(_ *Device, c *backend.Call) error {
	y := c.Output(0)
	axis := axisOf(c.Node.Int("axis", 0), len(y.Shape))
	outer, _, inner := lanes(y.Shape, axis)
	row := inner * y.Shape[axis] * y.DType.Size()
	at := 0
	for _, x := range c.In {
		if x == nil {
			continue
		}
		block := x.Shape[axis] * inner * y.DType.Size()
		for i := range outer {
			copy(y.Data[i*row+at:i*row+at+block], x.Data[i*block:])
		}
		at += block
	}
	return nil
}

func runSplit(_ *Device, c *backend.Call) error {
	x := c.Input(0)
	axis := axisOf(c.Node.Int("axis", 0), len(x.Shape))
	outer, _, inner := lanes(x.Shape, axis)
	row := inner * x.Shape[axis] * x.DType.Size()
	at := 0
	for _, y := range c.Out {
		block := y.Shape[axis] * inner * x.DType.Size()
		for i := range outer {
			if y.Present() {
				copy(y.Data[i*block:(i+1)*block], x.Data[i*row+at:])
			}
		}
		at += block
	}
	return nil
}

// ints reads a small integer tensor of either width.
func ints(t *backend.Tensor) []int64 {
	if !t.Present() {
		return nil
	}
	if t.DType == graph.Int64 {
		return t.I64()
	}
	out, _ := t.ToGraph().Int64s()
	return out
}

// sliced is the walk of a slice over x, whose bounds are inputs 1 + shift and on.
func sliced(c *backend.Call, x, y []int, shift int) layout {
	starts, axes, stepsIn := ints(c.Input(1+shift)), ints(c.Input(3+shift)), ints(c.Input(4+shift))
	steps, start := strides(x), 0
	for i, s := range starts {
		axis, step := i, int64(1)
		if axes != nil {
			axis = axisOf(axes[i], len(x))
		}
		if stepsIn != nil {
			step = stepsIn[i]
		}
		start += int(op.SliceStart(int64(x[axis]), s, step)) * steps[axis]
		steps[axis] *= int(step)
	}
	var l layout
	l.strided(y, steps, start)
	return l
}

func runSlice(_ *Device, c *backend.Call) error {
	x, y := c.Input(0), c.Output(0)
	l := sliced(c, x.Shape, y.Shape, 0)
	gatherStrided(y.Data, x.Data, x.DType.Size(), &l, y.Elements())
	return nil
}

// runSliceGrad puts dy where the slice was taken from, and 0 elsewhere.
func runSliceGrad(_ *Device, c *backend.Call) error {
	dy, dx := c.Input(0), c.Output(0)
	clear(dx.Data)
	l := sliced(c, dx.Shape, dy.Shape, 1)
	switch dx.DType.Size() {
	case 8:
		putStrided[uint64](dx.Data, dy.Data, &l, dy.Elements())
	default:
		putStrided[uint32](dx.Data, dy.Data, &l, dy.Elements())
	}
	return nil
}

func putStrided[T any](dst, x []byte, l *layout, n int) {
	to, from := elementsOf[T](dst), elementsOf[T](x)
	l.each(0, n, func(at, n int, off, step [3]int) {
		for k := range n {
			to[off[0]+k*step[0]] = from[at+k]
		}
	})
}

// place runs f with the index of every element of a shape, in row-major order.
func place(shape []int, f func(at int, index []int)) {
	index := make([]int, len(shape))
	for at := range product(shape) {
		f(at, index)
		for i := len(shape) - 1; i >= 0; i-- {
			if index[i]++; index[i] < shape[i] {
				break
			}
			index[i] = 0
		}
	}
}

func runTile(_ *Device, c *backend.Call) error {
	x, y := c.Input(0), c.Output(0)
	from, size := strides(x.Shape), x.DType.Size()
	place(y.Shape, func(at int, index []int) {
		i := 0
		for k, v := range index {
			i += v % x.Shape[k] * from[k]
		}
		copy(y.Data[at*size:(at+1)*size], x.Data[i*size:])
	})
	return nil
}

func runPad(_ *Device, c *backend.Call) error {
	x, y := c.Input(0), c.Output(0)
	pads, axes := ints(c.Input(1)), ints(c.Input(3))
	before := make([]int, len(x.Shape))
	for i := range len(pads) / 2 {
		axis := i
		if axes != nil {
			axis = axisOf(axes[i], len(x.Shape))
		}
		before[axis] = int(pads[i])
	}
	size, from, mode := x.DType.Size(), strides(x.Shape), c.Node.Str("mode", "constant")
	fill := make([]byte, size)
	if v := c.Input(2); v.Present() {
		copy(fill, v.Data)
	}
	if mode == "constant" {
		padConstant(x, y, before, from, fill)
		return nil
	}
	place(y.Shape, func(at int, index []int) {
		i, inside := 0, true
		for k, v := range index {
			p, ok := reflected(v-before[k], x.Shape[k], mode)
			inside = inside && ok
			i += p * from[k]
		}
		if inside {
			copy(y.Data[at*size:(at+1)*size], x.Data[i*size:])
		} else {
			copy(y.Data[at*size:], fill)
		}
	})
	return nil
}

// padConstant copies whole rows along the last axis, and negative padding cuts them.
func padConstant(x, y *backend.Tensor, before, from []int, fill []byte) {
	last, size := len(x.Shape)-1, len(fill)
	if last < 0 {
		copy(y.Data, x.Data)
		return
	}
	width := y.Shape[last]
	start := min(max(before[last], 0), width)
	end := min(max(before[last]+x.Shape[last], start), width)
	place(y.Shape[:last], func(at int, index []int) {
		i, inside := -before[last], start < end
		for k, v := range index {
			p := v - before[k]
			inside = inside && p >= 0 && p < x.Shape[k]
			i += p * from[k]
		}
		row := y.Data[at*width*size : (at+1)*width*size]
		first, behind := start, end
		if inside {
			copy(row[start*size:end*size], x.Data[(i+start)*size:])
		} else {
			first, behind = width, width
		}
		for j := range first {
			copy(row[j*size:(j+1)*size], fill)
		}
		for j := behind; j < width; j++ {
			copy(row[j*size:(j+1)*size], fill)
		}
	})
}

// reflected is the position in an axis of extent n that padding takes position i from.
func reflected(i, n int, mode string) (int, bool) {
	switch {
	case i >= 0 && i < n:
		return i, true
	case n == 0 || mode == "constant":
		return 0, false
	case mode == "edge":
		return min(max(i, 0), n-1), true
	case mode == "wrap":
		return ((i % n) + n) % n, true
	}
	if n == 1 {
		return 0, true
	}
	period := 2 * (n - 1)
	i = ((i % period) + period) % period
	return min(i, period-i), true
}

func runTrilu(_ *Device, c *backend.Call) error {
	x, y := c.Input(0), c.Output(0)
	r := len(x.Shape)
	rows, cols, size := x.Shape[r-2], x.Shape[r-1], x.DType.Size()
	k := 0
	if v := ints(c.Input(1)); v != nil {
		k = int(v[0])
	}
	upper := c.Node.Int("upper", 1) != 0
	copy(y.Data, x.Data)
	for at := range product(x.Shape) {
		i, j := at/cols%rows, at%cols
		if keep := j-i >= k; upper != keep && (upper || j-i > k) {
			clear(y.Data[at*size : (at+1)*size])
		}
	}
	return nil
}

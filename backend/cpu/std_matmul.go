package cpu

import (
	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/graph"
)

func init() {
	register("", map[string]Kernel{
		"MatMul": {runMatMul, scratchMatMul},
		"Gemm":   {runGemm, scratchGemm},
	})
	register(graph.Domain, map[string]Kernel{
		"SplitMatMul":     {runSplitMatMul, scratchSplitMatMul},
		"SplitMatMulGrad": {runSplitMatMulGrad, scratchSplitMatMulGrad},
	})
}

// matrices are the extents of a MatMul: batch products [m, k] · [k, n].
type matrices struct {
	m, n, k int
	batch   []int // leading extents of the result
	a, b    []int // leading extents of the operands
}

func matricesOf(c *backend.Call) matrices {
	a, b := c.Input(0).Shape, c.Input(1).Shape
	x := matrices{m: 1, n: 1, k: a[len(a)-1]}
	if len(a) > 1 {
		x.m, x.a = a[len(a)-2], a[:len(a)-2]
	}
	if len(b) > 1 {
		x.n, x.b = b[len(b)-1], b[:len(b)-2]
	}
	if len(x.b) == 0 || product(x.b) == 1 && len(x.b) <= len(x.a) { // one matrix b: all rows of a form one product
		x.m *= product(x.a)
		x.a, x.b = nil, nil
		return x
	}
	drop := min(len(a), 2) - 1 + min(len(b), 2) - 1
	out := c.Output(0).Shape
	x.batch = out[:len(out)-drop]
	return x
}

// runMatMul multiplies matrices; leading axes broadcast.
func runMatMul(d *Device, c *backend.Call) error {
	x := matricesOf(c)
	var l layout
	l.broadcast(x.batch, x.a, x.b, nil)
	switch c.Input(0).DType {
	case graph.Float32:
		a, b, y, scratch := f32(c.Input(0)), f32(c.Input(1)), f32(c.Output(0)), floats(c.Scratch)
		l.each(0, product(x.batch), func(at, n int, off, step [3]int) {
			for i := range n {
				kernel.Gemm(d.Pool, x.m, x.n, x.k,
					kernel.Matrix{Data: a[(off[0]+i*step[0])*x.m*x.k:], Stride: x.k}, kernel.Matrix{Data: b[(off[1]+i*step[1])*x.k*x.n:], Stride: x.n},
					kernel.Matrix{Data: y[(at+i)*x.m*x.n:], Stride: x.n}, false, scratch)
			}
		})
		return nil
	case graph.Float64:
		multiplyBatches[float64](c, x, &l)
	case graph.Int32:
		multiplyBatches[int32](c, x, &l)
	case graph.Int64:
		multiplyBatches[int64](c, x, &l)
	case graph.Uint32:
		multiplyBatches[uint32](c, x, &l)
	case graph.Uint64:
		multiplyBatches[uint64](c, x, &l)
	default:
		return unsupported(c)
	}
	return nil
}

func scratchMatMul(d *Device, c *backend.Call) int {
	x := matricesOf(c)
	return 4 * kernel.GemmScratch(d.Pool, false, x.m, x.n, x.k)
}

func multiplyBatches[T number](c *backend.Call, x matrices, l *layout) {
	a, b, y := backend.As[T](c.Input(0)), backend.As[T](c.Input(1)), backend.As[T](c.Output(0))
	l.each(0, product(x.batch), func(at, n int, off, step [3]int) {
		for i := range n {
			multiply(x.m, x.n, x.k, a[(off[0]+i*step[0])*x.m*x.k:], x.k, 1, b[(off[1]+i*step[1])*x.k*x.n:], x.n, 1, y[(at+i)*x.m*x.n:])
		}
	})
}

// multiply is the plain product y[i, j] = Σ_p a[i·ar + p·ac] · b[p·br + j·bc].
func multiply[T number](m, n, k int, a []T, ar, ac int, b []T, br, bc int, y []T) {
	for i := range m {
		for j := range n {
			var sum T
			for p := range k {
				sum += a[i*ar+p*ac] * b[p*br+j*bc]
			}
			y[i*n+j] = sum
		}
	}
}

// gemmExtents are m, n, k and the transpositions of a Gemm.
func gemmExtents(c *backend.Call) (m, n, k int, transA, transB bool) {
	a, y := c.Input(0).Shape, c.Output(0).Shape
	transA, transB = c.Node.Int("transA", 0) != 0, c.Node.Int("transB", 0) != 0
	k = a[1]
	if transA {
		k = a[0]
	}
	return y[0], y[1], k, transA, transB
}

func runGemm(d *Device, c *backend.Call) error {
	switch c.Input(0).DType {
	case graph.Float32:
		gemmFloat32(d, c)
		return nil
	case graph.Float64:
		gemmAny[float64](c)
	case graph.Int32:
		gemmAny[int32](c)
	case graph.Int64:
		gemmAny[int64](c)
	case graph.Uint32:
		gemmAny[uint32](c)
	case graph.Uint64:
		gemmAny[uint64](c)
	default:
		return unsupported(c)
	}
	return nil
}

func gemmFloat32(d *Device, c *backend.Call) {
	m, n, k, transA, transB := gemmExtents(c)
	y, added := f32(c.Output(0)), c.Input(2).Present()
	alpha, beta := c.Node.Float("alpha", 1), c.Node.Float("beta", 1)
	accumulate := added && alpha == 1
	if accumulate {
		broadcastInto(c.Output(0), c.Input(2))
		if beta != 1 {
			kernel.Scale(d.Pool, y, beta, y)
		}
	}
	kernel.Gemm(d.Pool, m, n, k, kernel.Matrix{Data: f32(c.Input(0)), Stride: c.Input(0).Shape[1], Trans: transA},
		kernel.Matrix{Data: f32(c.Input(1)), Stride: c.Input(1).Shape[1], Trans: transB}, kernel.Matrix{Data: y, Stride: n}, accumulate, floats(c.Scratch))
	if alpha != 1 {
		kernel.Scale(d.Pool, y, alpha, y)
	}
	if added && !accumulate {
		addScaled(c, beta)
	}
}

// addScaled adds beta · c to the product.
func addScaled[T number](c *backend.Call, beta T) {
	y, x := backend.As[T](c.Output(0)), backend.As[T](c.Input(2))
	var l layout
	l.broadcast(c.Output(0).Shape, c.Input(2).Shape, nil, nil)
	l.each(0, len(y), func(at, n int, off, step [3]int) {
		for i := range n {
			y[at+i] += beta * x[off[0]+i*step[0]]
		}
	})
}

func scratchGemm(d *Device, c *backend.Call) int {
	m, n, k, transA, _ := gemmExtents(c)
	return 4 * kernel.GemmScratch(d.Pool, transA, m, n, k)
}

func gemmAny[T number](c *backend.Call) {
	m, n, k, transA, transB := gemmExtents(c)
	ar, ac, br, bc := k, 1, n, 1
	if transA {
		ar, ac = 1, m
	}
	if transB {
		br, bc = 1, k
	}
	y := backend.As[T](c.Output(0))
	multiply(m, n, k, backend.As[T](c.Input(0)), ar, ac, backend.As[T](c.Input(1)), br, bc, y)
	alpha := T(c.Node.Float("alpha", 1))
	for i := range y {
		y[i] *= alpha
	}
	if c.Input(2).Present() {
		addScaled(c, T(c.Node.Float("beta", 1)))
	}
}

// runSplitMatMul multiplies by the columns of each part, which stay where they are. One row
// meets all columns at once, so that they are read in one line.
func runSplitMatMul(d *Device, c *backend.Call) error {
	w, at := c.Input(1), 0
	m, k := rowsOf(c.Input(0))
	if m == 1 {
		n := w.Shape[1]
		y, scratch := floats(c.Scratch)[:n], floats(c.Scratch)[n:]
		kernel.Gemm(d.Pool, 1, n, k, kernel.Matrix{Data: f32(c.Input(0)), Stride: k}, kernel.Matrix{Data: f32(w), Stride: n}, kernel.Matrix{Data: y, Stride: n}, false, scratch)
		for _, part := range c.Out {
			if part.Present() {
				copy(f32(part), y[at:])
			}
			at += part.Shape[len(part.Shape)-1]
		}
		return nil
	}
	for _, y := range c.Out {
		n := y.Shape[len(y.Shape)-1]
		if y.Present() {
			kernel.Gemm(d.Pool, m, n, k, kernel.Matrix{Data: f32(c.Input(0)), Stride: k}, kernel.Matrix{Data: f32(w)[at:], Stride: w.Shape[1]},
				kernel.Matrix{Data: f32(y), Stride: n}, false, floats(c.Scratch))
		}
		at += n
	}
	return nil
}

func scratchSplitMatMul(d *Device, c *backend.Call) int {
	m, k := rowsOf(c.Input(0))
	n := c.Input(1).Shape[1]
	size := kernel.GemmScratch(d.Pool, false, m, n, k)
	if m == 1 {
		size += n
	}
	return 4 * size
}

func runSplitMatMulGrad(d *Device, c *backend.Call) error {
	x, w, dx, dw, scratch := c.Input(0), f32(c.Input(1)), c.Output(0), c.Output(1), floats(c.Scratch)
	m, k := rowsOf(x)
	stride, at := c.Input(1).Shape[1], 0
	for i, dy := range c.In[2:] {
		n := dy.Shape[len(dy.Shape)-1]
		part := kernel.Matrix{Data: f32(dy), Stride: n}
		if dx.Present() {
			kernel.Gemm(d.Pool, m, k, n, part, kernel.Matrix{Data: w[at:], Stride: stride, Trans: true}, kernel.Matrix{Data: f32(dx), Stride: k}, i > 0, scratch)
		}
		if dw.Present() {
			kernel.Gemm(d.Pool, k, n, m, kernel.Matrix{Data: f32(x), Stride: k, Trans: true}, part, kernel.Matrix{Data: f32(dw)[at:], Stride: stride}, false, scratch)
		}
		at += n
	}
	return nil
}

func scratchSplitMatMulGrad(d *Device, c *backend.Call) int {
	m, k := rowsOf(c.Input(0))
	n := c.Input(1).Shape[1]
	return 4 * max(kernel.GemmScratch(d.Pool, false, m, k, n), kernel.GemmScratch(d.Pool, true, k, n, m))
}

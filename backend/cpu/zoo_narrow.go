package cpu

import (
	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/graph"
)

func init() {
	register(graph.Domain, map[string]Kernel{
		"NarrowMatMul": {runNarrowMatMul, scratchNarrowMatMul},
	})
}

// narrowOf is a weight that is stored in less than float32, for the kernels.
func narrowOf(w, scale *backend.Tensor) kernel.Narrow {
	var n kernel.Narrow
	switch w.DType {
	case graph.BFloat16:
		n.BFloat16 = backend.As[uint16](w)
	case graph.Float16:
		n.Float16 = backend.As[uint16](w)
	case graph.Int8:
		n.Int8 = backend.As[int8](w)
	}
	if scale.Present() {
		n.Scale = f32(scale)
	}
	return n
}

// narrowExtents are m, n, k of a product with a narrow weight.
func narrowExtents(c *backend.Call) (m, n, k int, transposed bool) {
	m, k = rowsOf(c.Input(0))
	y := c.Output(0).Shape
	return m, y[len(y)-1], k, c.Node.Int("transB", 0) == 1
}

func runNarrowMatMul(d *Device, c *backend.Call) error {
	m, n, k, transposed := narrowExtents(c)
	w := narrowOf(c.Input(1), c.Input(2))
	w.Stride, w.Trans = c.Input(1).Shape[1], transposed
	kernel.NarrowGemm(d.Pool, m, n, k, kernel.Matrix{Data: f32(c.Input(0)), Stride: k}, w, kernel.Matrix{Data: f32(c.Output(0)), Stride: n}, floats(c.Scratch))
	return nil
}

func scratchNarrowMatMul(d *Device, c *backend.Call) int {
	m, n, k, _ := narrowExtents(c)
	return 4 * kernel.NarrowGemmScratch(d.Pool, m, n, k)
}

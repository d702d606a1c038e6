package cpu

import (
	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/graph"
)

func init() {
	register(graph.Domain, map[string]Kernel{
		"MixedMatMul": {runMixedMatMul, scratchMixedMatMul},
	})
}

// mixedExtents are m, n, k and the transpositions of a MixedMatMul.
func mixedExtents(c *backend.Call) (m, n, k int, transA, transB bool) {
	transA, transB = c.Node.Int("transA", 0) == 1, c.Node.Int("transB", 0) == 1
	m, k = rowsOf(c.Input(0))
	if transA {
		m, k = k, m
	}
	y := c.Output(0).Shape
	return m, y[len(y)-1], k, transA, transB
}

func runMixedMatMul(d *Device, c *backend.Call) error {
	m, n, k, transA, transB := mixedExtents(c)
	a := kernel.MatrixBF16{Data: backend.As[uint16](c.Input(0)), Stride: k, Trans: transA}
	if transA {
		a.Stride = m
	}
	b := kernel.MatrixBF16{Data: backend.As[uint16](c.Input(1)), Stride: c.Input(1).Shape[1], Trans: transB}
	kernel.GemmBF16(d.Pool, m, n, k, a, b, kernel.Matrix{Data: f32(c.Output(0)), Stride: n}, false, floats(c.Scratch))
	return nil
}

func scratchMixedMatMul(d *Device, c *backend.Call) int {
	m, n, k, _, _ := mixedExtents(c)
	return 4 * kernel.GemmBF16Scratch(d.Pool, m, n, k)
}

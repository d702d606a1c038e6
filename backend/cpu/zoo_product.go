package cpu

import (
	"fmt"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/graph"
)

func init() {
	register(graph.Domain, map[string]Kernel{
		"Product": {runProduct, scratchProduct},
		"Panels":  {Run: runPanels},
	})
}

// epilogues are the steps of a Product by name.
var epilogues = map[string]kernel.Step{
	"relu": kernel.ThenReLU, "gelu": kernel.ThenGELU, "silu": kernel.ThenSiLU, "softplus": kernel.ThenSoftplus,
	"add": kernel.ThenAdd, "mul": kernel.ThenMul, "silu_gate": kernel.ThenGate,
	"relu_grad": kernel.ThenReLUGrad, "gelu_grad": kernel.ThenGELUGrad, "silu_grad": kernel.ThenSiLUGrad, "softplus_grad": kernel.ThenSoftplusGrad,
}

// productCall is a Product with its extents.
type productCall struct {
	m, n, k       int
	trans, packed bool
	half, experts bool
	x, w, y       *backend.Tensor
}

func productOf(c *backend.Call) productCall {
	p := productCall{x: c.Input(0), w: c.Input(1), y: c.Output(0)}
	p.m, p.k = rowsOf(p.x)
	_, p.n = rowsOf(p.y)
	p.trans, p.packed = c.Node.Int("transB", 0) == 1, c.Node.Int("columns", 0) > 0
	p.half, p.experts = p.x.DType == graph.BFloat16, c.Input(2) != nil
	return p
}

func runProduct(d *Device, c *backend.Call) error {
	p, scratch := productOf(c), floats(c.Scratch)
	e := kernel.Epilogue{Bias: f32(c.Input(3)), Step: epilogues[c.Node.Str("epilogue", "")], Other: f32(c.Input(4)), Product: f32(c.Output(1))}
	if p.packed {
		if err := checkWidth(p.w); err != nil {
			return err
		}
	}
	stride := p.n
	if p.trans {
		stride = p.k
	}
	switch {
	case p.experts && p.half:
		kernel.GroupedProductBF16(d.Pool, p.w.Shape[0], p.m, p.n, p.k, backend.As[uint16](p.x), c.Input(2).I64(), backend.As[uint16](p.w), p.trans, f32(p.y), e, scratch)
	case p.experts:
		kernel.GroupedProduct(d.Pool, p.w.Shape[0], p.m, p.n, p.k, f32(p.x), c.Input(2).I64(), kernel.Matrix{Data: f32(p.w), Trans: p.trans, Packed: p.packed}, f32(p.y), e, scratch)
	case p.half:
		kernel.ProductBF16(d.Pool, p.m, p.n, p.k, kernel.MatrixBF16{Data: backend.As[uint16](p.x), Stride: p.k},
			kernel.MatrixBF16{Data: backend.As[uint16](p.w), Stride: stride, Trans: p.trans}, f32(p.y), e, scratch)
	default:
		kernel.Product(d.Pool, p.m, p.n, p.k, kernel.Matrix{Data: f32(p.x), Stride: p.k},
			kernel.Matrix{Data: f32(p.w), Stride: stride, Trans: p.trans, Packed: p.packed}, f32(p.y), e, scratch)
	}
	return nil
}

func scratchProduct(d *Device, c *backend.Call) int {
	p := productOf(c)
	switch {
	case p.half && p.experts:
		return 4 * kernel.GroupedGemmBF16Scratch(d.Pool, p.m, p.n, p.k)
	case p.half:
		return 4 * kernel.GemmBF16Scratch(d.Pool, p.m, p.n, p.k)
	case p.experts:
		return 4 * kernel.GroupedGemmScratch(d.Pool, p.m, p.n, p.k)
	}
	return 4 * kernel.GemmScratch(d.Pool, false, p.m, p.n, p.k)
}

// PanelWidth is the number of columns of the panels that products read.
func (d *Device) PanelWidth() int64 { return int64(kernel.PanelWidth()) }

// Packs tells whether a product of so many rows gains from panels: where there are more rows
// than a matrix is read in place for, and too few to make packing it anew cheap.
func (d *Device) Packs(rows, n, k int, transposed bool) bool {
	return kernel.GainsByPanels(rows, n, k, transposed)
}

var _ backend.Packer = (*Device)(nil)

// checkWidth refuses panels that were cut for another level.
func checkWidth(panels *backend.Tensor) error {
	if got, want := panels.Shape[len(panels.Shape)-1], kernel.PanelWidth(); got != want {
		return fmt.Errorf("panels of %d columns, products of %s read panels of %d", got, kernel.Level(), want)
	}
	return nil
}

func runPanels(d *Device, c *backend.Call) error {
	w, y, trans := c.Input(0), c.Output(0), c.Node.Int("transB", 0) == 1
	if err := checkWidth(y); err != nil {
		return err
	}
	rank := len(w.Shape)
	k, n := w.Shape[rank-2], w.Shape[rank-1]
	if trans {
		k, n = n, k
	}
	kernel.PackPanels(d.Pool, product(w.Shape[:rank-2]), n, k, f32(w), trans, f32(y))
	return nil
}

package cpu

import (
	"math"
	"strconv"
	"unsafe"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/graph"
)

func init() {
	register(graph.Domain, map[string]Kernel{
		"SiLU":             {Run: mapped(kernel.SiLU)},
		"SiLUGrad":         {Run: mappedGrad(kernel.SiLUGrad)},
		"SiLUGate":         {runSiLUGate, scratchSiLUGate},
		"SiLUGateGrad":     {runSiLUGateGrad, scratchSiLUGate},
		"ReluGrad":         {Run: mappedGrad(kernel.ReLUGrad)},
		"SoftplusGrad":     {Run: mappedGrad(kernel.SoftplusGrad)},
		"Gelu":             {Run: mapped(kernel.GELU)},
		"GeluGrad":         {Run: mappedGrad(kernel.GELUGrad)},
		"RMSNorm":          {runRMSNorm, scratchRMSNorm},
		"RMSNormGrad":      {runRMSNormGrad, scratchRMSNormGrad},
		"CrossEntropy":     {runCrossEntropy, scratchCrossEntropy},
		"CrossEntropyGrad": {Run: runCrossEntropyGrad},
		"GatherGrad":       {runGatherGrad, scratchGatherGrad},
		"AdamW":            {Run: runAdamW},
		"GlobalNorm":       {runGlobalNorm, scratchGlobalNorm},
	})
}

// mapped runs a function of every element.
func mapped(f func(p *kernel.Pool, dst, x []float32)) func(*Device, *backend.Call) error {
	return func(d *Device, c *backend.Call) error {
		f(d.Pool, f32(c.Output(0)), f32(c.Input(0)))
		return nil
	}
}

// mappedGrad runs the gradient of a function of every element on inputs dy and x.
func mappedGrad(f func(p *kernel.Pool, dx, x, dy []float32)) func(*Device, *backend.Call) error {
	return func(d *Device, c *backend.Call) error {
		f(d.Pool, f32(c.Output(0)), f32(c.Input(1)), f32(c.Input(0)))
		return nil
	}
}

func scratchSiLUGate(d *Device, _ *backend.Call) int { return 4 * kernel.SiLUGateScratch(d.Pool) }

func runSiLUGate(d *Device, c *backend.Call) error {
	kernel.SiLUGate(d.Pool, f32(c.Output(0)), f32(c.Input(0)), f32(c.Input(1)), floats(c.Scratch))
	return nil
}

func runSiLUGateGrad(d *Device, c *backend.Call) error {
	dout, scratch := f32(c.Input(0)), floats(c.Scratch)
	kernel.SiLUGateGrad(d.Pool, f32(c.Output(0)), f32(c.Output(1)), dout, f32(c.Input(1)), f32(c.Input(2)), scratch)
	return nil
}

// rowsOf is the number of rows along the last axis, and their width.
func rowsOf(t *backend.Tensor) (rows, width int) {
	width = t.Shape[len(t.Shape)-1]
	rows = 1
	for _, n := range t.Shape[:len(t.Shape)-1] {
		rows *= n
	}
	return rows, width
}

func runRMSNorm(d *Device, c *backend.Call) error {
	rows, width := rowsOf(c.Input(0))
	rstd, _ := orScratch(c.Output(1), floats(c.Scratch), rows)
	kernel.RMSNormForward(d.Pool, rows, width, c.Node.Float("epsilon", 1e-5), f32(c.Input(0)), f32(c.Input(1)), f32(c.Input(2)), f32(c.Output(0)), rstd)
	return nil
}

func scratchRMSNorm(_ *Device, c *backend.Call) int {
	rows, _ := rowsOf(c.Input(0))
	return 4 * rows
}

// orScratch is the data of an output that only a gradient reads, or n values of
// temporary memory when nothing does; the rest of the memory follows.
func orScratch(t *backend.Tensor, scratch []float32, n int) (data, rest []float32) {
	if t.Present() {
		return f32(t), scratch
	}
	return scratch[:n], scratch[n:]
}

func runRMSNormGrad(d *Device, c *backend.Call) error {
	rows, width := rowsOf(c.Input(1))
	kernel.RMSNormBackward(d.Pool, rows, width, f32(c.Input(1)), f32(c.Input(2)), f32(c.Input(3)), f32(c.Input(0)),
		f32(c.Output(0)), f32(c.Output(1)), f32(c.Output(2)), floats(c.Scratch))
	return nil
}

func scratchRMSNormGrad(_ *Device, c *backend.Call) int {
	return 4 * kernel.NormBackwardScratch(rowsOf(c.Input(1)))
}

func runCrossEntropy(d *Device, c *backend.Call) error {
	logits := c.Input(0)
	lse, scratch := orScratch(c.Output(1), floats(c.Scratch), logits.Shape[0])
	kernel.CrossEntropy(d.Pool, logits.Shape[0], logits.Shape[1], f32(logits), c.Input(1).I64(), f32(c.Output(0)), lse, scratch)
	return nil
}

func scratchCrossEntropy(d *Device, c *backend.Call) int {
	shape := c.Input(0).Shape
	return 4 * (shape[0] + kernel.CrossEntropyScratch(d.Pool, shape[1]))
}

func runCrossEntropyGrad(d *Device, c *backend.Call) error {
	logits := c.Input(1)
	kernel.CrossEntropyBackward(d.Pool, logits.Shape[0], logits.Shape[1], f32(logits), c.Input(2).I64(), f32(c.Input(3)), f32(c.Input(0)), f32(c.Output(0)))
	return nil
}

func runGatherGrad(d *Device, c *backend.Call) error {
	out := c.Output(0)
	rows := out.Shape[0]
	ids := backend.As[int64](&backend.Tensor{DType: graph.Int64, Data: c.Scratch})[:c.Input(1).Elements()]
	for i, id := range c.Input(1).I64() {
		if id < 0 {
			id += int64(rows)
		}
		ids[i] = id
	}
	dst := f32(out)
	clear(dst)
	kernel.ScatterAddRows(d.Pool, rows, out.Elements()/max(rows, 1), f32(c.Input(0)), ids, dst)
	return nil
}

func scratchGatherGrad(_ *Device, c *backend.Call) int { return 8 * c.Input(1).Elements() }

// decimal is the number that was written in decimal before it became a float32
// attribute: 0.999 rather than 0.99900001287.
func decimal(x float32) float64 {
	v, _ := strconv.ParseFloat(strconv.FormatFloat(float64(x), 'g', -1, 32), 64)
	return v
}

func runAdamW(d *Device, c *backend.Call) error {
	n := c.Node
	p, m, v := f32(c.Output(0)), f32(c.Output(1)), f32(c.Output(2))
	for i, from := range []int{0, 2, 3} {
		to, src := f32(c.Output(i)), f32(c.Input(from))
		if len(to) > 0 && &to[0] != &src[0] {
			copy(to, src)
		}
	}
	scale := f32(c.Input(5))[0]
	if s := float64(scale); math.IsNaN(s) || math.IsInf(s, 0) {
		return nil // the step is skipped
	}
	kernel.AdamW(d.Pool, p, m, v, f32(c.Input(1)), kernel.AdamWStep{
		LR: float64(f32(c.Input(4))[0]), Beta1: decimal(n.Float("beta1", 0)), Beta2: decimal(n.Float("beta2", 0)),
		Eps: decimal(n.Float("eps", 0)), WeightDecay: decimal(n.Float("decay", 0)), GradScale: float64(scale), Step: int(c.Input(6).I64()[0]),
	})
	return nil
}

// runGlobalNorm adds the squares of each gradient in blocks of fixed size, so that the
// result does not depend on the number of threads.
func runGlobalNorm(d *Device, c *backend.Call) error {
	scratch := unsafe.Slice((*float64)(unsafe.Pointer(unsafe.SliceData(c.Scratch))), len(c.Scratch)/8)
	sum := 0.0
	for _, g := range c.In {
		sum += kernel.SumSquares(d.Pool, f32(g), scratch)
	}
	norm := math.Sqrt(sum)
	scale := 1.0
	if clip := decimal(c.Node.Float("clip", 0)); clip > 0 {
		scale = min(1, clip/(norm+1e-6))
	}
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		scale = math.NaN()
	}
	if out := f32(c.Output(0)); out != nil {
		out[0] = float32(norm)
	}
	if out := f32(c.Output(1)); out != nil {
		out[0] = float32(scale)
	}
	return nil
}

func scratchGlobalNorm(_ *Device, c *backend.Call) int {
	n := 0
	for _, g := range c.In {
		n = max(n, kernel.SumSquaresScratch(g.Elements()))
	}
	return 8 * n
}

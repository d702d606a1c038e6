package cpu

import (
	"unsafe"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

func init() {
	register(graph.Domain, map[string]Kernel{
		"SelectiveScan":     {runScan, scratchScan},
		"SelectiveScanGrad": {runScanGrad, scratchScanGrad},
		"SSD":               {runSSD, scratchSSD},
		"SSDGrad":           {runSSDGrad, scratchSSDGrad},
		"DiagonalScan":      {runDiagonal, scratchDiagonal},
		"DiagonalScanGrad":  {runDiagonalGrad, scratchDiagonalGrad},
		"CausalConv":        {runConv, scratchConv},
		"CausalConvGrad":    {runConvGrad, scratchConvGrad},
		"RGLRU":             {runRGLRU, scratchRGLRU},
		"RGLRUGrad":         {runRGLRUGrad, scratchRGLRUGrad},
		"GatedDelta":        {runDelta, scratchDelta},
		"GatedDeltaGrad":    {runDeltaGrad, scratchDeltaGrad},
		"Attention":         {runAttention, scratchAttention},
		"AttentionGrad":     {runAttentionGrad, scratchAttentionGrad},
		"Rope":              {runRope, scratchRope},
		"CacheAppend":       {runCacheAppend, nil},
		"DocumentStarts":    {Run: runDocumentStarts},
	})
}

// floats views scratch memory as float32 values.
func floats(scratch []byte) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(scratch))), len(scratch)/4)
}

// f32 is the data of a float tensor, nil when it is absent or unread.
func f32(t *backend.Tensor) []float32 { return t.F32() }

// firstOf is where documents begin, nil when it is not told.
func firstOf(t *backend.Tensor) []int64 {
	if !t.Present() {
		return nil
	}
	return t.I64()
}

// runDocumentStarts looks for separators in every row.
func runDocumentStarts(_ *Device, c *backend.Call) error {
	ids, first := c.Input(0).I64(), c.Output(0).I64()
	separator := c.Node.Int("separator", 0)
	for row, l := 0, c.Input(0).Shape[1]; row+l <= len(ids) && l > 0; row += l {
		start := 0
		for t := range l {
			if t > 0 && ids[row+t-1] == separator {
				start = t
			}
			first[row+t] = int64(start)
		}
	}
	return nil
}

// scanInput reads the inputs of the scan from position at on.
func scanInput(c *backend.Call, at int) kernel.ScanInput {
	u, a, b := c.Input(at).Shape, c.Input(at+2).Shape, c.Input(at+3).Shape
	return kernel.ScanInput{
		Batch: u[0], Length: u[1], Channels: u[2], State: a[1], Groups: b[2],
		U: f32(c.Input(at)), Delta: f32(c.Input(at + 1)), A: f32(c.Input(at + 2)), B: f32(c.Input(at + 3)), C: f32(c.Input(at + 4)),
		Skip: f32(c.Input(at + 5)), H0: f32(c.Input(at + 6)), First: firstOf(c.Input(at + 7)),
	}
}

func runScan(d *Device, c *backend.Call) error {
	kernel.ScanForward(d.Pool, scanInput(c, 0), f32(c.Output(0)), f32(c.Output(1)), f32(c.Output(2)), floats(c.Scratch))
	return nil
}

func scratchScan(d *Device, c *backend.Call) int {
	return 4 * kernel.ScanScratch(d.Pool, scanInput(c, 0))
}

func runScanGrad(d *Device, c *backend.Call) error {
	s := scanInput(c, 3)
	kernel.ScanBackward(d.Pool, s, f32(c.Input(2)), f32(c.Input(0)), f32(c.Input(1)), kernel.ScanGrads{
		U: f32(c.Output(0)), Delta: f32(c.Output(1)), A: f32(c.Output(2)), B: f32(c.Output(3)), C: f32(c.Output(4)),
		Skip: f32(c.Output(5)), H0: f32(c.Output(6)),
	}, floats(c.Scratch))
	return nil
}

func scratchScanGrad(d *Device, c *backend.Call) int {
	return 4 * kernel.ScanBackwardScratch(d.Pool, scanInput(c, 3))
}

// ssdInput reads the inputs of the state-space duality from position at on.
func ssdInput(c *backend.Call, at int) kernel.SSDInput {
	x, b := c.Input(at).Shape, c.Input(at+2).Shape
	return kernel.SSDInput{
		Batch: x[0], Length: x[1], Heads: x[2], Dim: x[3], Groups: b[2], State: b[3], Chunk: op.SSDChunk,
		X: f32(c.Input(at)), Decay: f32(c.Input(at + 1)), B: f32(c.Input(at + 2)), C: f32(c.Input(at + 3)),
		H0: f32(c.Input(at + 4)), First: firstOf(c.Input(at + 5)),
	}
}

func runSSD(d *Device, c *backend.Call) error {
	kernel.SSDForward(d.Pool, ssdInput(c, 0), f32(c.Output(0)), f32(c.Output(1)), f32(c.Output(2)), floats(c.Scratch))
	return nil
}

func scratchSSD(d *Device, c *backend.Call) int { return 4 * kernel.SSDScratch(d.Pool, ssdInput(c, 0)) }

func runSSDGrad(d *Device, c *backend.Call) error {
	kernel.SSDBackward(d.Pool, ssdInput(c, 3), f32(c.Input(2)), f32(c.Input(0)), f32(c.Input(1)), kernel.SSDGrads{
		X: f32(c.Output(0)), Decay: f32(c.Output(1)), B: f32(c.Output(2)), C: f32(c.Output(3)), H0: f32(c.Output(4)),
	}, floats(c.Scratch))
	return nil
}

func scratchSSDGrad(d *Device, c *backend.Call) int {
	return 4 * kernel.SSDBackwardScratch(d.Pool, ssdInput(c, 3))
}

// diagonalInput reads the inputs of the diagonal scan from position at on.
func diagonalInput(c *backend.Call, at int) kernel.DiagonalInput {
	u, w := c.Input(at).Shape, c.Input(at+2).Shape
	return kernel.DiagonalInput{
		Batch: u[0], Length: u[1], Channels: u[2], Modes: w[2], Outputs: w[0],
		U: f32(c.Input(at)), A: f32(c.Input(at + 1)), W: f32(c.Input(at + 2)), H0: f32(c.Input(at + 3)), First: firstOf(c.Input(at + 4)),
	}
}

func runDiagonal(d *Device, c *backend.Call) error {
	kernel.DiagonalForward(d.Pool, diagonalInput(c, 0), f32(c.Output(0)), f32(c.Output(1)), f32(c.Output(2)), floats(c.Scratch))
	return nil
}

func scratchDiagonal(d *Device, c *backend.Call) int {
	return 4 * kernel.DiagonalScratch(d.Pool, diagonalInput(c, 0))
}

func runDiagonalGrad(d *Device, c *backend.Call) error {
	kernel.DiagonalBackward(d.Pool, diagonalInput(c, 3), f32(c.Input(2)), f32(c.Input(0)), f32(c.Input(1)), kernel.DiagonalGrads{
		U: f32(c.Output(0)), A: f32(c.Output(1)), W: f32(c.Output(2)), H0: f32(c.Output(3)),
	}, floats(c.Scratch))
	return nil
}

func scratchDiagonalGrad(d *Device, c *backend.Call) int {
	return 4 * kernel.DiagonalBackwardScratch(d.Pool, diagonalInput(c, 3))
}

// convShape reads the extents from x [B, L, C] and w [C, K], and where documents begin.
func convShape(x, w, first *backend.Tensor) kernel.ConvShape {
	return kernel.ConvShape{Batch: x.Shape[0], Length: x.Shape[1], Channels: x.Shape[2], Taps: w.Shape[1], First: firstOf(first)}
}

func runConv(d *Device, c *backend.Call) error {
	x, w := c.Input(0), c.Input(1)
	kernel.ConvForward(d.Pool, convShape(x, w, c.Input(4)), f32(x), f32(w), f32(c.Input(2)), f32(c.Input(3)), f32(c.Output(0)), f32(c.Output(1)), floats(c.Scratch))
	return nil
}

func scratchConv(d *Device, c *backend.Call) int {
	return 4 * kernel.ConvScratch(d.Pool, convShape(c.Input(0), c.Input(1), nil))
}

func runConvGrad(d *Device, c *backend.Call) error {
	x, w := c.Input(2), c.Input(3)
	kernel.ConvBackward(d.Pool, convShape(x, w, c.Input(5)), f32(x), f32(w), f32(c.Input(4)), f32(c.Input(0)), f32(c.Input(1)), kernel.ConvGrads{
		X: f32(c.Output(0)), W: f32(c.Output(1)), Bias: f32(c.Output(2)), Past: f32(c.Output(3)),
	}, floats(c.Scratch))
	return nil
}

func scratchConvGrad(d *Device, c *backend.Call) int {
	return 4 * kernel.ConvBackwardScratch(d.Pool, convShape(c.Input(2), c.Input(3), nil))
}

// attentionInput reads the inputs of attention from position at on; the mask, converted
// to floats, takes the beginning of scratch, and the rest is returned. Sizes come from
// shapes alone when scratch is nil.
func attentionInput(c *backend.Call, at int, scratch []float32) (kernel.AttentionInput, []float32) {
	q, k, mask := c.Input(at), c.Input(at+1), c.Input(at+4)
	b, l, hq, dh := q.Shape[0], q.Shape[1], q.Shape[2], q.Shape[3]
	hkv, capacity := k.Shape[1], k.Shape[2]
	a := kernel.AttentionInput{
		Batch: b, Queries: l, Keys: capacity, Heads: hq, KVHeads: hkv, Dim: dh, Scale: c.Node.Float("scale", 1),
		Q: f32(q), K: f32(k), V: f32(c.Input(at + 2)),
		First:   firstOf(c.Input(at + 5)),
		Window:  int(c.Node.Int("window", 0)),
		QLayout: kernel.DenseHeads(l, hq, dh), KLayout: kernel.CacheHeads(hkv, capacity, dh), VLayout: kernel.CacheHeads(hkv, capacity, dh),
	}
	if length := c.Input(at + 3); length.Present() && scratch != nil {
		a.Keys = max(min(int(length.I64()[0]), capacity), l)
	}
	if mask.Present() && scratch != nil {
		m := mask.I64()
		a.Mask = scratch[:b*a.Keys]
		for i := range b { // the kernel's mask has as many columns as valid keys
			for j := range a.Keys {
				a.Mask[i*a.Keys+j] = float32(m[i*capacity+j])
			}
		}
		scratch = scratch[b*capacity:]
	}
	return a, scratch
}

func maskFloats(c *backend.Call, at int) int {
	if c.Input(at+4) == nil {
		return 0
	}
	k := c.Input(at + 1).Shape
	return k[0] * k[2]
}

func runAttention(d *Device, c *backend.Call) error {
	a, scratch := attentionInput(c, 0, floats(c.Scratch))
	lse, scratch := orScratch(c.Output(1), scratch, a.Batch*a.Heads*a.Queries)
	kernel.AttentionForward(d.Pool, a, f32(c.Output(0)), lse, scratch)
	return nil
}

func scratchAttention(d *Device, c *backend.Call) int {
	a, _ := attentionInput(c, 0, nil)
	return 4*(maskFloats(c, 0)+a.Batch*a.Heads*a.Queries+kernel.AttentionScratch(d.Pool, a)) + 4
}

func runAttentionGrad(d *Device, c *backend.Call) error {
	a, scratch := attentionInput(c, 3, floats(c.Scratch))
	kernel.AttentionBackward(d.Pool, a, f32(c.Input(1)), f32(c.Input(2)), f32(c.Input(0)),
		f32(c.Output(0)), f32(c.Output(1)), f32(c.Output(2)), scratch)
	return nil
}

func scratchAttentionGrad(d *Device, c *backend.Call) int {
	a, _ := attentionInput(c, 3, nil)
	return 4*(maskFloats(c, 3)+kernel.AttentionBackwardScratch(d.Pool, a)) + 4
}

func ropeShape(c *backend.Call) kernel.RotaryShape {
	x := c.Input(0).Shape
	return kernel.RotaryShape{
		Batch: x[0], Length: x[1], Heads: x[2], Dim: x[3], Rot: int(c.Node.Int("dims", 0)),
		Base: float64(c.Node.Float("base", 10000)), Interleaved: c.Node.Int("interleaved", 0) == 1, Scale: c.Node.Floats("scale"),
	}
}

func runRope(d *Device, c *backend.Call) error {
	offset := 0
	if o := c.Input(1); o.Present() {
		offset = int(o.I64()[0])
	}
	kernel.Rotary(d.Pool, ropeShape(c), offset, c.Node.Int("inverse", 0) == 1, f32(c.Input(0)), f32(c.Output(0)), floats(c.Scratch))
	return nil
}

func scratchRope(_ *Device, c *backend.Call) int { return 4 * kernel.RotaryScratch(ropeShape(c)) }

// runCacheAppend copies the new rows behind the valid ones, and the old rows first when
// the result has memory of its own.
func runCacheAppend(_ *Device, c *backend.Call) error {
	cache, rows, out := c.Input(0), c.Input(1), c.Output(0)
	heads, capacity, l, dh := cache.Shape[0]*cache.Shape[1], cache.Shape[2], rows.Shape[2], cache.Shape[3]
	from := int(c.Input(2).I64()[0])
	y, x, r := f32(out), f32(cache), f32(rows)
	if len(y) > 0 && len(x) > 0 && &y[0] != &x[0] {
		copy(y, x)
	}
	n := min(l, capacity-from)
	for h := range heads {
		if n > 0 && from >= 0 {
			copy(y[(h*capacity+from)*dh:(h*capacity+from+n)*dh], r[h*l*dh:])
		}
	}
	return nil
}

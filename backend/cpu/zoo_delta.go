package cpu

import (
	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
)

// deltaInput reads the inputs of the gated delta rule from position at on.
func deltaInput(c *backend.Call, at int) kernel.DeltaInput {
	q, v := c.Input(at).Shape, c.Input(at+2).Shape
	return kernel.DeltaInput{
		Batch: q[0], Length: q[1], KeyHeads: q[2], ValueHeads: v[2], KeyWidth: q[3], ValueWidth: v[3],
		Q: f32(c.Input(at)), K: f32(c.Input(at + 1)), V: f32(c.Input(at + 2)), Decay: f32(c.Input(at + 3)), Beta: f32(c.Input(at + 4)),
		S0: f32(c.Input(at + 5)), First: firstOf(c.Input(at + 6)),
	}
}

func runDelta(d *Device, c *backend.Call) error {
	kernel.DeltaForward(d.Pool, deltaInput(c, 0), f32(c.Output(0)), f32(c.Output(1)), f32(c.Output(2)), floats(c.Scratch))
	return nil
}

func scratchDelta(d *Device, c *backend.Call) int {
	return 4 * kernel.DeltaScratch(d.Pool, deltaInput(c, 0))
}

func runDeltaGrad(d *Device, c *backend.Call) error {
	kernel.DeltaBackward(d.Pool, deltaInput(c, 3), f32(c.Input(2)), f32(c.Input(0)), f32(c.Input(1)), kernel.DeltaGrads{
		Q: f32(c.Output(0)), K: f32(c.Output(1)), V: f32(c.Output(2)), Decay: f32(c.Output(3)), Beta: f32(c.Output(4)), S0: f32(c.Output(5)),
	}, floats(c.Scratch))
	return nil
}

func scratchDeltaGrad(d *Device, c *backend.Call) int {
	return 4 * kernel.DeltaBackwardScratch(d.Pool, deltaInput(c, 3))
}

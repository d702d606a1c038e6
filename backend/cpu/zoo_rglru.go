package cpu

import (
	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
)

// rglruInput reads the inputs of the real-gated linear recurrent unit from position at on.
func rglruInput(c *backend.Call, at int) kernel.RGLRUInput {
	x := c.Input(at).Shape
	return kernel.RGLRUInput{
		Batch: x[0], Length: x[1], Width: x[2],
		X: f32(c.Input(at)), Decay: f32(c.Input(at + 1)), Position: firstOf(c.Input(at + 2)), H0: f32(c.Input(at + 3)),
	}
}

func runRGLRU(d *Device, c *backend.Call) error {
	kernel.RGLRUForward(d.Pool, rglruInput(c, 0), f32(c.Output(0)), f32(c.Output(1)), floats(c.Scratch))
	return nil
}

func scratchRGLRU(d *Device, c *backend.Call) int {
	return 4 * kernel.RGLRUScratch(d.Pool, rglruInput(c, 0))
}

func runRGLRUGrad(d *Device, c *backend.Call) error {
	kernel.RGLRUBackward(d.Pool, rglruInput(c, 3), f32(c.Input(2)), f32(c.Input(0)), f32(c.Input(1)),
		f32(c.Output(0)), f32(c.Output(1)), f32(c.Output(2)), floats(c.Scratch))
	return nil
}

func scratchRGLRUGrad(d *Device, c *backend.Call) int {
	return 4 * kernel.RGLRUScratch(d.Pool, rglruInput(c, 3))
}

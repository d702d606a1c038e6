package cpu

import (
	"math"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
)

func init() {
	register(graph.Contrib, map[string]Kernel{"LinearAttention": {Run: runLinearAttention}})
}

// runLinearAttention is the recurrence, step by step, one head after the other.
func runLinearAttention(d *Device, c *backend.Call) error {
	s := c.Input(3).Shape // [B, H, N, P]
	length, heads, n, p := c.Input(0).Shape[1], s[1], s[2], s[3]
	q, k, v, decay, y, states := f32(c.Input(0)), f32(c.Input(1)), f32(c.Input(2)), f32(c.Input(4)), f32(c.Output(0)), f32(c.Output(1))
	if states == nil {
		states = make([]float32, c.Input(3).Elements())
	}
	copy(states, f32(c.Input(3)))
	d.Pool.Run(s[0]*heads, func(item int) {
		state := states[item*n*p:][:n*p]
		for t := range length {
			at := (item/heads*length+t)*heads + item%heads // of the step's head
			keep, value, out := float32(math.Exp(float64(decay[at]))), v[at*p:][:p], y[at*p:][:p]
			clear(out)
			for i := range n {
				row, key, query := state[i*p:][:p], k[at*n+i], q[at*n+i]
				for j := range row {
					row[j] = row[j]*keep + key*value[j]
					out[j] += query * row[j]
				}
			}
		}
	})
	return nil
}

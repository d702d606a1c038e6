package kernel

import (
	"fmt"
	"math"
	"testing"
)

// deltaModel is the gated delta rule as the recurrence has it, in float64. in: Q, K, V,
// Decay, Beta, S0; out: o, last.
func deltaModel(d DeltaInput) func(in [][]float64) [][]float64 {
	dk, dv := d.KeyWidth, d.ValueWidth
	return func(in [][]float64) [][]float64 {
		o := make([]float64, d.Batch*d.Length*d.ValueHeads*dv)
		last := append([]float64(nil), in[5]...)
		for b := range d.Batch {
			for h := range d.ValueHeads {
				s := last[(b*d.ValueHeads+h)*dk*dv:][:dk*dv]
				key := h / (d.ValueHeads / d.KeyHeads)
				for t := range d.Length {
					if d.begins(b, t) {
						clear(s)
					}
					row := b*d.Length + t
					q, k := in[0][(row*d.KeyHeads+key)*dk:], in[1][(row*d.KeyHeads+key)*dk:]
					v, beta := in[2][(row*d.ValueHeads+h)*dv:], in[4][row*d.ValueHeads+h]
					decay := math.Exp(in[3][row*d.ValueHeads+h])
					for j := range dv {
						u := v[j]
						for i := range dk {
							s[i*dv+j] *= decay
							u -= s[i*dv+j] * k[i]
						}
						sum := 0.0
						for i := range dk {
							s[i*dv+j] += k[i] * beta * u
							sum += s[i*dv+j] * q[i]
						}
						o[(row*d.ValueHeads+h)*dv+j] = sum
					}
				}
			}
		}
		return [][]float64{o, last}
	}
}

func TestProperty14TheGatedDeltaRuleAndItsGradients(t *testing.T) {
	cases := []struct {
		b, l, hk, hv, dk, dv int
		packed               bool
	}{
		{1, 1, 1, 1, 3, 2, false},
		{2, 5, 1, 2, 4, 8, false},
		{1, 64, 2, 2, 16, 16, false},
		{1, 65, 1, 1, 5, 7, false},
		{2, 150, 2, 4, 8, 16, false},
		{2, 150, 1, 2, 8, 4, true},
	}
	eachLevel(t, func(t *testing.T) {
		for _, c := range cases {
			t.Run(fmt.Sprint(c), func(t *testing.T) {
				r := newSource(21)
				d := DeltaInput{Batch: c.b, Length: c.l, KeyHeads: c.hk, ValueHeads: c.hv, KeyWidth: c.dk, ValueWidth: c.dv}
				bound := float32(1 / math.Sqrt(float64(c.dk))) // keys of a length of at most 1
				d.Q, d.K = r.slice(c.b*c.l*c.hk*c.dk, -1, 1), r.slice(c.b*c.l*c.hk*c.dk, -bound, bound)
				d.V = r.slice(c.b*c.l*c.hv*c.dv, -1, 1)
				d.Decay, d.Beta = r.slice(c.b*c.l*c.hv, -1, 0), r.slice(c.b*c.l*c.hv, 0, 1)
				d.S0 = r.slice(c.b*c.hv*c.dk*c.dv, -1, 1)
				d.Decay[0] = -200 // forgets everything
				if c.packed {
					d.First = documents(c.b, 1, 2, 61, 6, 80)
				}
				do, dlast := r.slice(len(d.V), -1, 1), r.slice(len(d.S0), -1, 1)
				out := eachThreads(t, func(p *Pool) [][]float32 {
					o, last := garbage(len(d.V)), garbage(len(d.S0))
					checkpoints := garbage(DeltaCheckpoints(d))
					DeltaForward(p, d, o, last, checkpoints, garbage(DeltaScratch(p, d)))
					g := DeltaGrads{Q: garbage(len(d.Q)), K: garbage(len(d.K)), V: garbage(len(d.V)), Decay: garbage(len(d.Decay)), Beta: garbage(len(d.Beta)), S0: garbage(len(d.S0))}
					DeltaBackward(p, d, checkpoints, do, dlast, g, garbage(DeltaBackwardScratch(p, d)))
					return [][]float32{o, last, g.Q, g.K, g.V, g.Decay, g.Beta, g.S0}
				})
				in := [][]float32{d.Q, d.K, d.V, d.Decay, d.Beta, d.S0}
				wideIn := make([][]float64, len(in))
				for i := range in {
					wideIn[i] = wide(in[i])
				}
				want := deltaModel(d)(wideIn)
				near(t, "o", out[0], want[0], 2e-6)
				near(t, "last", out[1], want[1], 2e-6)
				gradients(t, deltaModel(d), in, [][]float32{do, dlast}, out[2:], 2e-5)
			})
		}
	})
}

package kernel

import (
	"fmt"
	"math"
	"testing"
)

// rglruModel is the recurrence in float64. in: X, Decay, H0; out: h, last.
func rglruModel(s RGLRUInput) func(in [][]float64) [][]float64 {
	return func(in [][]float64) [][]float64 {
		h, last := make([]float64, len(in[0])), append([]float64(nil), in[2]...)
		for b := range s.Batch {
			for l := range s.Length {
				for c := range s.Width {
					at, state := (b*s.Length+l)*s.Width+c, &last[b*s.Width+c]
					a := math.Exp(in[1][at])
					*state = a**state + math.Sqrt(1-a*a)*in[0][at]
					if s.Position[b*s.Length+l] == 0 {
						*state = in[0][at]
					}
					h[at] = *state
				}
			}
		}
		return [][]float64{h, last}
	}
}

func TestProperty14TheRealGatedUnitAndItsGradients(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, c := range [][3]int{{1, 1, 1}, {2, 7, 5}, {3, 40, 300}} {
			t.Run(fmt.Sprint(c), func(t *testing.T) {
				r := newSource(31)
				n := c[0] * c[1] * c[2]
				s := RGLRUInput{Batch: c[0], Length: c[1], Width: c[2], X: r.slice(n, -1, 1), Decay: r.slice(n, -2, -0.01), H0: r.slice(c[0]*c[2], -1, 1)}
				s.Position = make([]int64, c[0]*c[1])
				for i := range s.Position { // the second document of each row begins at 5
					s.Position[i] = int64(1+i%c[1]) % 6
				}
				s.Decay[0] = -90
				dh, dlast := r.slice(n, -1, 1), r.slice(len(s.H0), -1, 1)
				out := eachThreads(t, func(p *Pool) [][]float32 {
					h, last := garbage(n), garbage(len(s.H0))
					RGLRUForward(p, s, h, last, garbage(RGLRUScratch(p, s)))
					dx, dd, dh0 := garbage(n), garbage(n), garbage(len(s.H0))
					RGLRUBackward(p, s, h, dh, dlast, dx, dd, dh0, garbage(RGLRUScratch(p, s)))
					return [][]float32{h, last, dx, dd, dh0}
				})
				want := rglruModel(s)([][]float64{wide(s.X), wide(s.Decay), wide(s.H0)})
				near(t, "h", out[0], want[0], 1e-6)
				near(t, "last", out[1], want[1], 1e-6)
				gradients(t, rglruModel(s), [][]float32{s.X, s.Decay, s.H0}, [][]float32{dh, dlast}, out[2:], 1e-5)
			})
		}
	})
}

package kernel

import (
	"fmt"
	"math"
	"testing"
)

// diagonalModel is the recurrence in float64. in: U, A, W, H0; out: y, hT.
func diagonalModel(s DiagonalInput) func(in [][]float64) [][]float64 {
	return func(in [][]float64) [][]float64 {
		u, a, w := in[0], in[1], in[2]
		states := s.Channels * s.Modes
		pair := func(x []float64, i int) complex128 { return complex(x[2*i], x[2*i+1]) }
		y, h := make([]float64, s.Batch*s.Length*s.Outputs*s.Channels), make([]float64, s.Batch*states*2)
		copy(h, in[3])
		for b := range s.Batch {
			for t := range s.Length {
				row := b*s.Length + t
				for i := range states {
					at := b*states + i
					old := pair(h, at)
					if s.begins(b, t) {
						old = 0
					}
					z := pair(a, i)*old + complex(u[row*s.Channels+i/s.Modes], 0)
					h[2*at], h[2*at+1] = real(z), imag(z)
					for o := range s.Outputs {
						y[(row*s.Outputs+o)*s.Channels+i/s.Modes] += real(pair(w, o*states+i) * z)
					}
				}
			}
		}
		return [][]float64{y, h}
	}
}

func diagonalCase(r source, b, l, c, m, o int) DiagonalInput {
	s := DiagonalInput{
		Batch: b, Length: l, Channels: c, Modes: m, Outputs: o,
		U: r.slice(b*l*c, -1, 1), A: make([]float32, c*m*2), W: r.slice(o*c*m*2, -1, 1), H0: r.slice(b*c*m*2, -1, 1),
	}
	for i := range c * m {
		size, angle := 0.5+0.5*r.Float64(), math.Pi*r.Float64()
		s.A[2*i], s.A[2*i+1] = float32(size*math.Cos(angle)), float32(size*math.Sin(angle))
	}
	return s
}

// Property 14. Seen to fail with the gradient of A formed with the state behind a step, and
// with the real part of W's gradient alone.
func TestProperty14DiagonalScanEqualsTheRecurrenceAndItsGradients(t *testing.T) {
	cases := []struct {
		b, l, c, m, o int
		documents     []int
	}{
		{1, 1, 1, 1, 1, nil},
		{2, 5, 3, 2, 1, nil},
		{1, 16, 8, 4, 2, nil},
		{2, 17, 9, 3, 1, nil},
		{1, 33, 140, 2, 2, nil},
		{2, 45, 6, 2, 1, []int{1, 2, 13, 16, 5, 7, 1}},
		{1, 0, 4, 2, 1, nil},
		{1, 19, 48, 3, 1, nil}, // vectors in pairs and alone
		{2, 45, 24, 2, 2, []int{1, 2, 13, 16, 5, 7, 1}},
		{1, 18, 21, 2, 3, nil}, // more outputs than have vector kernels
	}
	eachLevel(t, func(t *testing.T) {
		for _, c := range cases {
			t.Run(fmt.Sprintf("B%d,L%d,C%d,M%d,O%d", c.b, c.l, c.c, c.m, c.o), func(t *testing.T) {
				r := newSource(5)
				s := diagonalCase(r, c.b, c.l, c.c, c.m, c.o)
				if c.documents != nil {
					s.First = documents(c.b, c.documents...)
				}
				dy, dhT := r.slice(c.b*c.l*c.o*c.c, -1, 1), r.slice(len(s.H0), -1, 1)
				out := eachThreads(t, func(p *Pool) [][]float32 {
					y, hT, ck := garbage(len(dy)), garbage(len(s.H0)), garbage(DiagonalCheckpoints(s))
					DiagonalForward(p, s, y, hT, ck, garbage(DiagonalScratch(p, s)))
					g := DiagonalGrads{U: garbage(len(s.U)), A: garbage(len(s.A)), W: garbage(len(s.W)), H0: garbage(len(s.H0))}
					DiagonalBackward(p, s, ck, dy, dhT, g, garbage(DiagonalBackwardScratch(p, s)))
					return [][]float32{y, hT, g.U, g.A, g.W, g.H0}
				})
				in := [][]float32{s.U, s.A, s.W, s.H0}
				want := diagonalModel(s)([][]float64{wide(s.U), wide(s.A), wide(s.W), wide(s.H0)})
				near(t, "y", out[0], want[0], 2e-6)
				near(t, "hT", out[1], want[1], 2e-6)
				gradients(t, diagonalModel(s), in, [][]float32{dy, dhT}, out[2:], 2e-5)
			})
		}
	})
}

func TestDiagonalScanRefusesWrongExtents(t *testing.T) {
	s := diagonalCase(newSource(9), 1, 4, 6, 2, 2)
	y, scr := make([]float32, 4*2*6), make([]float32, DiagonalScratch(nil, s))
	DiagonalForward(nil, s, y, nil, nil, scr)
	bad := s
	bad.W = bad.W[:5]
	mustPanic(t, "short W", func() { DiagonalForward(nil, bad, y, nil, nil, scr) })
	mustPanic(t, "short y", func() { DiagonalForward(nil, s, y[:47], nil, nil, scr) })
	mustPanic(t, "short scratch", func() { DiagonalForward(nil, s, y, nil, nil, scr[:5]) })
}

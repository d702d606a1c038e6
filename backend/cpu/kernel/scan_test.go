package kernel

import (
	"fmt"
	"math"
	"testing"
)

// scanModel is the recurrence in float64. in: U, Delta, A, B, C, Skip, H0
// (the last two may be nil); out: y, hT.
func scanModel(s ScanInput) func(in [][]float64) [][]float64 {
	b, l, d, n, g := s.Batch, s.Length, s.Channels, s.State, s.Groups
	return func(in [][]float64) [][]float64 {
		u, dt, a, bm, cm, skip, h0 := in[0], in[1], in[2], in[3], in[4], in[5], in[6]
		y, h := make([]float64, b*l*d), make([]float64, b*d*n)
		copy(h, h0)
		for bi := range b {
			for t := range l {
				for c := range d {
					at := (bi*l+t)*d + c
					bc := ((bi*l+t)*g + c/(d/g)) * n
					if skip != nil {
						y[at] = skip[c] * u[at]
					}
					for k := range n {
						i := (bi*d+c)*n + k
						h[i] = math.Exp(dt[at]*a[c*n+k])*h[i] + dt[at]*bm[bc+k]*u[at]
						y[at] += cm[bc+k] * h[i]
					}
				}
			}
		}
		return [][]float64{y, h}
	}
}

func scanCase(r source, b, l, d, n, g int, full bool) ScanInput {
	s := ScanInput{
		Batch: b, Length: l, Channels: d, State: n, Groups: g,
		U: r.slice(b*l*d, -1, 1), Delta: r.slice(b*l*d, 0.001, 0.3), A: make([]float32, d*n),
		B: r.slice(b*l*g*n, -1, 1), C: r.slice(b*l*g*n, -1, 1),
	}
	for i := range s.A {
		s.A[i] = -float32(i%n+1) * (0.9 + 0.2*r.Float32())
	}
	if full {
		s.Skip, s.H0 = r.slice(d, 0, 1), r.slice(b*d*n, -1, 1)
	}
	return s
}

// Property 14, with the gradient of the last state. Seen to fail without that of the last state.
func TestProperty14ScanEqualsTheRecurrenceAndItsGradients(t *testing.T) {
	cases := []struct {
		b, l, d, n, g int
		full          bool
	}{
		{1, 1, 1, 1, 1, false},
		{2, 5, 3, 2, 1, true},
		{1, 16, 8, 16, 1, true},
		{2, 17, 16, 16, 1, false},
		{2, 33, 20, 16, 2, true},
		{1, 40, 136, 16, 1, true},
		{2, 20, 24, 8, 3, true},
		{1, 19, 10, 32, 1, true},
		{1, 0, 4, 16, 1, true},
		{1, 18, 40, 5, 1, true},
	}
	eachLevel(t, func(t *testing.T) {
		for _, c := range cases {
			t.Run(fmt.Sprintf("B%d,L%d,D%d,N%d,G%d", c.b, c.l, c.d, c.n, c.g), func(t *testing.T) {
				r := newSource(5)
				s := scanCase(r, c.b, c.l, c.d, c.n, c.g, c.full)
				dy, dhT := r.slice(len(s.U), -1, 1), r.slice(c.b*c.d*c.n, -1, 1)
				if !c.full {
					dhT = nil
				}
				out := eachThreads(t, func(p *Pool) [][]float32 {
					y, hT, ck := garbage(len(s.U)), garbage(c.b*c.d*c.n), garbage(ScanCheckpoints(s))
					ScanForward(p, s, y, hT, ck, garbage(ScanScratch(p, s)))
					g := ScanGrads{
						U: garbage(len(s.U)), Delta: garbage(len(s.U)), A: garbage(len(s.A)), B: garbage(len(s.B)),
						C: garbage(len(s.C)), Skip: garbage(c.d), H0: garbage(len(hT)),
					}
					ScanBackward(p, s, ck, dy, dhT, g, garbage(ScanBackwardScratch(p, s)))
					return [][]float32{y, hT, g.U, g.Delta, g.A, g.B, g.C, g.Skip, g.H0}
				})
				in := [][]float32{s.U, s.Delta, s.A, s.B, s.C, s.Skip, s.H0}
				x := make([][]float64, len(in))
				for i := range in {
					x[i] = wide(in[i])
				}
				want := scanModel(s)(x)
				near(t, "y", out[0], want[0], 2e-6)
				near(t, "hT", out[1], want[1], 2e-6)
				grads := out[2:]
				if !c.full {
					grads[5], grads[6] = nil, nil
				}
				gradients(t, scanModel(s), in, [][]float32{dy, dhT}, grads, 2e-5)
			})
		}
	})
}

func TestScanInPiecesEqualsScanAtOnce(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := newSource(6)
		s := scanCase(r, 1, 37, 24, 16, 1, true)
		y, h := make([]float32, len(s.U)), make([]float32, len(s.H0))
		ScanForward(nil, s, y, h, nil, garbage(ScanScratch(nil, s)))
		state := append([]float32(nil), s.H0...)
		for l := 0; l < 37; {
			n := min(1+l%5, 37-l)
			q := s
			q.Length, q.H0 = n, state
			q.U, q.Delta, q.B, q.C = s.U[l*24:], s.Delta[l*24:], s.B[l*16:], s.C[l*16:]
			part := make([]float32, n*24)
			ScanForward(nil, q, part, state, nil, garbage(ScanScratch(nil, q)))
			for i, v := range part {
				if v != y[l*24+i] {
					t.Fatalf("step %d: %v, at once %v", l, v, y[l*24+i])
				}
			}
			l += n
		}
		for i, v := range state {
			if v != h[i] {
				t.Fatalf("last state differs: %v, at once %v", v, h[i])
			}
		}
	})
}

func TestScanStepsEqualScanAtOnce(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, e := range []struct{ d, n, g int }{{16, 16, 1}, {64, 32, 2}, {160, 16, 1}, {24, 16, 1}, {48, 8, 1}} {
			r := newSource(9)
			s := scanCase(r, 2, 7, e.d, e.n, e.g, true)
			y, h := make([]float32, len(s.U)), make([]float32, len(s.H0))
			ScanForward(nil, s, y, h, nil, garbage(ScanScratch(nil, s)))
			state := append([]float32(nil), s.H0...)
			for l := range s.Length {
				q := s
				q.Length, q.H0 = 1, state
				q.U, q.Delta, q.B, q.C = rows(s.U, 2, 7, l), rows(s.Delta, 2, 7, l), rows(s.B, 2, 7, l), rows(s.C, 2, 7, l)
				part := eachThreads(t, func(p *Pool) [][]float32 {
					next := append([]float32(nil), state...)
					q.H0 = next // the state is updated where it lies
					part := garbage(2 * e.d)
					ScanForward(p, q, part, next, nil, garbage(ScanScratch(p, q)))
					return [][]float32{part, next}
				})
				state = part[1]
				near(t, fmt.Sprintf("%+v step %d", e, l), part[0], wide(rows(y, 2, 7, l)), 0)
			}
			near(t, fmt.Sprintf("%+v last state", e), state, wide(h), 0)
		}
	})
}

// rows is step l of each of b sequences of length steps.
func rows(x []float32, b, length, l int) []float32 {
	width := len(x) / b / length
	var out []float32
	for i := range b {
		out = append(out, x[(i*length+l)*width:(i*length+l+1)*width]...)
	}
	return out
}

func TestScanSurvivesExtremeDecays(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := newSource(8)
		s := scanCase(r, 1, 40, 16, 16, 1, true)
		for i := range s.Delta {
			s.Delta[i] *= 100
		}
		for i := range s.A {
			if i%3 == 0 {
				s.A[i] *= 1000
			}
		}
		y, h := make([]float32, len(s.U)), make([]float32, len(s.H0))
		ck := make([]float32, ScanCheckpoints(s))
		ScanForward(nil, s, y, h, ck, garbage(ScanScratch(nil, s)))
		want := scanModel(s)([][]float64{wide(s.U), wide(s.Delta), wide(s.A), wide(s.B), wide(s.C), wide(s.Skip), wide(s.H0)})
		near(t, "y", y, want[0], 2e-6)
		g := ScanGrads{U: garbage(len(y)), Delta: garbage(len(y)), A: garbage(len(s.A)), B: garbage(len(s.B)), C: garbage(len(s.C))}
		ScanBackward(nil, s, ck, r.slice(len(y), -1, 1), nil, g, garbage(ScanBackwardScratch(nil, s)))
		for _, v := range [][]float32{g.U, g.Delta, g.A, g.B, g.C} {
			for i := range v {
				if v[i] != v[i] || math.IsInf(float64(v[i]), 0) {
					t.Fatal("a gradient is not finite")
				}
			}
		}
	})
}

func TestScanRefusesWrongExtents(t *testing.T) {
	r := newSource(9)
	s := scanCase(r, 1, 4, 6, 2, 1, true)
	y, scr := make([]float32, 24), make([]float32, ScanScratch(nil, s))
	ScanForward(nil, s, y, nil, nil, scr)
	bad := s
	bad.Groups = 4
	mustPanic(t, "groups", func() { ScanForward(nil, bad, y, nil, nil, scr) })
	bad = s
	bad.A = bad.A[:11]
	mustPanic(t, "short A", func() { ScanForward(nil, bad, y, nil, nil, scr) })
	mustPanic(t, "short y", func() { ScanForward(nil, s, y[:23], nil, nil, scr) })
	mustPanic(t, "short scratch", func() { ScanForward(nil, s, y, nil, nil, scr[:5]) })
	mustPanic(t, "short checkpoints", func() { ScanForward(nil, s, y, nil, make([]float32, 1), scr) })
}

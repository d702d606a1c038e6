package kernel

import (
	"fmt"
	"math"
	"testing"
)

// ssdModel is the recurrence in float64. in: X, Decay, B, C, H0; out: y, hT.
func ssdModel(s SSDInput) func(in [][]float64) [][]float64 {
	return func(in [][]float64) [][]float64 {
		x, decay, b, c := in[0], in[1], in[2], in[3]
		size := s.Dim * s.State
		y, h := make([]float64, len(x)), make([]float64, s.Batch*s.Heads*size)
		copy(h, in[4])
		for bi := range s.Batch {
			for t := range s.Length {
				row := bi*s.Length + t
				for head := range s.Heads {
					state := h[(bi*s.Heads+head)*size:][:size]
					if s.begins(bi, t) {
						clear(state)
					}
					bc := (row*s.Groups + head/(s.Heads/s.Groups)) * s.State
					a := math.Exp(decay[row*s.Heads+head])
					for i := range state {
						p, n := i/s.State, i%s.State
						at := (row*s.Heads+head)*s.Dim + p
						state[i] = a*state[i] + x[at]*b[bc+n]
						y[at] += state[i] * c[bc+n]
					}
				}
			}
		}
		return [][]float64{y, h}
	}
}

func ssdCase(r source, b, l, h, p, g, n, q int) SSDInput {
	return SSDInput{
		Batch: b, Length: l, Heads: h, Dim: p, Groups: g, State: n, Chunk: q,
		X: r.slice(b*l*h*p, -1, 1), Decay: r.slice(b*l*h, -1, 0),
		B: r.slice(b*l*g*n, -1, 1), C: r.slice(b*l*g*n, -1, 1), H0: r.slice(b*h*p*n, -1, 1),
	}
}

func (s *SSDInput) inputs() [][]float32 { return [][]float32{s.X, s.Decay, s.B, s.C, s.H0} }

// ssdAll runs forward and backward: y, hT, then the gradients of X, Decay, B, C and H0.
func ssdAll(p *Pool, s SSDInput, dy, dhT []float32) [][]float32 {
	y, hT, ck := garbage(len(s.X)), garbage(s.Batch*s.Heads*s.Dim*s.State), garbage(SSDCheckpoints(s))
	SSDForward(p, s, y, hT, ck, garbage(SSDScratch(p, s)))
	g := SSDGrads{X: garbage(len(y)), Decay: garbage(len(s.Decay)), B: garbage(len(s.B)), C: garbage(len(s.C)), H0: garbage(len(hT))}
	SSDBackward(p, s, ck, dy, dhT, g, garbage(SSDBackwardScratch(p, s)))
	return [][]float32{y, hT, g.X, g.Decay, g.B, g.C, g.H0}
}

// documents marks where documents of these lengths begin, in every row of a batch.
func documents(batch int, lengths ...int) []int64 {
	var first []int64
	for range batch {
		at := 0
		for _, l := range lengths {
			for range l {
				first = append(first, int64(at))
			}
			at += l
		}
	}
	return first
}

// Property 14. Lengths stand around the chunk and the longest run of single steps. Seen to
// fail with either of the state's parts of a decay's gradient left out.
func TestProperty14SSDEqualsTheRecurrenceAndItsGradients(t *testing.T) {
	cases := []struct {
		b, l, h, p, g, n, q int
		documents           []int
	}{
		{1, 1, 1, 1, 1, 1, 16, nil},
		{2, 5, 3, 2, 1, 3, 16, nil},
		{1, 16, 2, 8, 1, 16, 16, nil},
		{2, 17, 6, 3, 2, 5, 16, nil},
		{1, 40, 5, 16, 1, 8, 16, nil},
		{1, 53, 4, 20, 4, 17, 16, nil},
		{1, 70, 2, 4, 1, 4, 64, nil},
		{2, 45, 6, 4, 2, 5, 16, []int{1, 2, 13, 16, 5, 7, 1}},
		{1, 32, 1, 3, 1, 3, 16, []int{16, 16}},
		{1, 0, 2, 4, 1, 4, 16, nil},
	}
	eachLevel(t, func(t *testing.T) {
		for _, c := range cases {
			t.Run(fmt.Sprintf("B%d,L%d,H%d,P%d,G%d,N%d", c.b, c.l, c.h, c.p, c.g, c.n), func(t *testing.T) {
				r := newSource(5)
				s := ssdCase(r, c.b, c.l, c.h, c.p, c.g, c.n, c.q)
				if c.documents != nil {
					s.First = documents(c.b, c.documents...)
				}
				dy, dhT := r.slice(len(s.X), -1, 1), r.slice(len(s.H0), -1, 1)
				out := eachThreads(t, func(p *Pool) [][]float32 { return ssdAll(p, s, dy, dhT) })
				x := make([][]float64, 5)
				for i, v := range s.inputs() {
					x[i] = wide(v)
				}
				want := ssdModel(s)(x)
				near(t, "y", out[0], want[0], 2e-6)
				near(t, "hT", out[1], want[1], 2e-6)
				gradients(t, ssdModel(s), s.inputs(), [][]float32{dy, dhT}, out[2:], 2e-5)
			})
		}
	})
}

// Property 3. Seen to fail with the state before a chunk decayed by one step too few.
func TestProperty3TheChunkLengthOfSSDChangesNothing(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := newSource(6)
		s := ssdCase(r, 2, 67, 6, 4, 2, 5, 1)
		dy, dhT := r.slice(len(s.X), -1, 1), r.slice(len(s.H0), -1, 1)
		want := ssdAll(nil, s, dy, dhT)
		for _, q := range []int{2, 6, 7, 8, 16, 33, 64, 67, 128} {
			s.Chunk = q
			for i, v := range ssdAll(nil, s, dy, dhT) {
				near(t, fmt.Sprintf("chunk %d, result %d", q, i), v, wide(want[i]), 1e-5)
			}
		}
	})
}

// TestSSDSurvivesExtremeDecays: sums of hundreds inside a chunk lose no digits, and factors
// that vanish give no number that is not one.
func TestSSDSurvivesExtremeDecays(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := newSource(8)
		s := ssdCase(r, 1, 100, 3, 8, 1, 16, 64)
		for i := range s.Decay {
			switch i % 4 {
			case 0:
				s.Decay[i] *= 200
			case 1:
				s.Decay[i] *= 1e-3
			case 2:
				s.Decay[i] = float32(math.Inf(-1))
			}
		}
		dy := r.slice(len(s.X), -1, 1)
		out := ssdAll(nil, s, dy, nil)
		want := ssdModel(s)([][]float64{wide(s.X), wide(s.Decay), wide(s.B), wide(s.C), wide(s.H0)})
		near(t, "y", out[0], want[0], 2e-6)
		for i, v := range out {
			for _, x := range v {
				if x != x || math.IsInf(float64(x), 0) {
					t.Fatalf("result %d is not finite", i)
				}
			}
		}
	})
}

// Property 8: a decay of 0 and no input keep the state, a decay without bounds leaves only
// the present step. Seen to fail with factors that are off by a thousandth.
func TestProperty8SSDHasItsLimits(t *testing.T) {
	r := newSource(4)
	s := ssdCase(r, 1, 40, 2, 4, 1, 8, 16)
	clear(s.X)
	clear(s.Decay)
	out := ssdAll(nil, s, nil, nil)
	near(t, "the state", out[1], wide(s.H0), 0)
	s = ssdCase(r, 1, 40, 2, 4, 1, 8, 16)
	for i := range s.Decay {
		s.Decay[i] = -1e4
	}
	want := make([]float64, len(s.X))
	for i, x := range s.X {
		row := i / (s.Heads * s.Dim)
		for n := range s.State {
			want[i] += float64(x) * float64(s.B[row*s.State+n]) * float64(s.C[row*s.State+n])
		}
	}
	near(t, "the output without memory", ssdAll(nil, s, nil, nil)[0], want, 2e-6)
}

func TestSSDRefusesWrongExtents(t *testing.T) {
	s := ssdCase(newSource(9), 1, 4, 6, 2, 2, 3, 16)
	y, scr := make([]float32, len(s.X)), make([]float32, SSDScratch(nil, s))
	SSDForward(nil, s, y, nil, nil, scr)
	bad := s
	bad.Groups = 4
	mustPanic(t, "groups", func() { SSDForward(nil, bad, y, nil, nil, scr) })
	bad = s
	bad.Decay = bad.Decay[:3]
	mustPanic(t, "short Decay", func() { SSDForward(nil, bad, y, nil, nil, scr) })
	mustPanic(t, "short y", func() { SSDForward(nil, s, y[:3], nil, nil, scr) })
	mustPanic(t, "short scratch", func() { SSDForward(nil, s, y, nil, nil, scr[:5]) })
	mustPanic(t, "short checkpoints", func() { SSDForward(nil, s, y, nil, make([]float32, 1), scr) })
}

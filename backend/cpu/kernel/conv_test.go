package kernel

import (
	"fmt"
	"testing"
)

// convModel is the convolution in float64. in: x, w, bias, past; out: y, newPast.
func convModel(s ConvShape) func(in [][]float64) [][]float64 {
	b, l, c, k := s.Batch, s.Length, s.Channels, s.Taps
	return func(in [][]float64) [][]float64 {
		y, next := make([]float64, b*l*c), make([]float64, b*c*(k-1))
		for bi := range b {
			for ch := range c {
				input := func(t int) float64 {
					switch {
					case t >= 0:
						return in[0][(bi*l+t)*c+ch]
					case in[3] != nil:
						return in[3][(bi*c+ch)*(k-1)+k-1+t]
					}
					return 0
				}
				for t := range l {
					var v float64
					if in[2] != nil {
						v = in[2][ch]
					}
					for j := range k {
						v += in[1][ch*k+j] * input(t-(k-1)+j)
					}
					y[(bi*l+t)*c+ch] = v
				}
				for j := range k - 1 {
					next[(bi*c+ch)*(k-1)+j] = input(l - (k - 1) + j)
				}
			}
		}
		return [][]float64{y, next}
	}
}

func TestConvEqualsTheDefinitionAndItsGradients(t *testing.T) {
	cases := []struct {
		s    ConvShape
		full bool
	}{
		{ConvShape{Batch: 1, Length: 1, Channels: 1, Taps: 1}, true},
		{ConvShape{Batch: 2, Length: 9, Channels: 5, Taps: 4}, true},
		{ConvShape{Batch: 2, Length: 9, Channels: 5, Taps: 4}, false},
		{ConvShape{Batch: 2, Length: 2, Channels: 7, Taps: 4}, true},
		{ConvShape{Batch: 1, Length: 1, Channels: 9, Taps: 4}, true},
		{ConvShape{Batch: 1, Length: 3, Channels: 300, Taps: 4}, true},
		{ConvShape{Batch: 3, Length: 20, Channels: 16, Taps: 3}, true},
		{ConvShape{Batch: 2, Length: 12, Channels: 41, Taps: 4}, true},
		{ConvShape{Batch: 1, Length: 0, Channels: 4, Taps: 4}, true},
	}
	eachLevel(t, func(t *testing.T) {
		for _, c := range cases {
			t.Run(fmt.Sprint(c), func(t *testing.T) {
				r, s := newSource(10), c.s
				n, st := s.Batch*s.Length*s.Channels, s.Batch*s.Channels*(s.Taps-1)
				x, w := r.slice(n, -1, 1), r.slice(s.Channels*s.Taps, -1, 1)
				var bias, past, dNext []float32
				if c.full {
					bias, past, dNext = r.slice(s.Channels, -1, 1), r.slice(st, -1, 1), r.slice(st, -1, 1)
				}
				dy := r.slice(n, -1, 1)
				out := eachThreads(t, func(p *Pool) [][]float32 {
					y, next := garbage(n), garbage(st)
					ConvForward(p, s, x, w, bias, past, y, next, garbage(ConvScratch(p, s)))
					g := ConvGrads{garbage(n), garbage(len(w)), garbage(s.Channels), garbage(st)}
					ConvBackward(p, s, x, w, past, dy, dNext, g, garbage(ConvBackwardScratch(p, s)))
					return [][]float32{y, next, g.X, g.W, g.Bias, g.Past}
				})
				want := convModel(s)([][]float64{wide(x), wide(w), wide(bias), wide(past)})
				near(t, "y", out[0], want[0], 1e-6)
				near(t, "newPast", out[1], want[1], 0)
				grads := out[2:]
				if !c.full {
					grads[2], grads[3] = nil, nil
				}
				gradients(t, convModel(s), [][]float32{x, w, bias, past}, [][]float32{dy, dNext}, grads, 1e-5)
			})
		}
	})
}

func TestConvStepsEqualConvAtOnce(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, k := range []int{2, 3, 4, 7} {
			r, s := newSource(12), ConvShape{Batch: 2, Length: 9, Channels: 270, Taps: k}
			n, st := 2*9*270, 2*270*(k-1)
			x, w, bias, past := r.slice(n, -1, 1), r.slice(270*k, -1, 1), r.slice(270, -1, 1), r.slice(st, -1, 1)
			y, last := garbage(n), garbage(st)
			ConvForward(nil, s, x, w, bias, past, y, last, garbage(ConvScratch(nil, s)))
			state := append([]float32(nil), past...)
			one := s
			one.Length = 1
			for l := range s.Length {
				part := eachThreads(t, func(p *Pool) [][]float32 {
					part, next := garbage(2*270), append([]float32(nil), state...) // updated where it lies
					ConvForward(p, one, rows(x, 2, 9, l), w, bias, next, part, next, garbage(ConvScratch(p, one)))
					return [][]float32{part, next}
				})
				state = part[1]
				near(t, fmt.Sprintf("%d taps, step %d", k, l), part[0], wide(rows(y, 2, 9, l)), 0)
			}
			near(t, fmt.Sprintf("%d taps, last state", k), state, wide(last), 0)
		}
	})
}

func TestConvInPiecesEqualsConvAtOnce(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r, s := newSource(11), ConvShape{Batch: 1, Length: 11, Channels: 13, Taps: 4}
		x, w, bias := r.slice(11*13, -1, 1), r.slice(13*4, -1, 1), r.slice(13, -1, 1)
		y := make([]float32, len(x))
		ConvForward(nil, s, x, w, bias, nil, y, nil, garbage(ConvScratch(nil, s)))
		past, next := make([]float32, 39), make([]float32, 39)
		for l := 0; l < 11; {
			q := s
			q.Length = min(1+l%3, 11-l)
			part := make([]float32, q.Length*13)
			ConvForward(nil, q, x[l*13:], w, bias, past, part, next, garbage(ConvScratch(nil, q)))
			past, next = next, past
			for i, v := range part {
				if v != y[l*13+i] {
					t.Fatalf("step %d: %v, at once %v", l, v, y[l*13+i])
				}
			}
			l += q.Length
		}
	})
}

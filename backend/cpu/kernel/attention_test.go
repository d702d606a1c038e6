package kernel

import (
	"fmt"
	"math"
	"testing"
)

// attentionModel is causal attention in float64. in: Q, K, V; out: y, lse.
func attentionModel(a AttentionInput) func(in [][]float64) [][]float64 {
	return func(in [][]float64) [][]float64 {
		y := make([]float64, a.Batch*a.Queries*a.Heads*a.Dim)
		lse := make([]float64, a.Batch*a.Heads*a.Queries)
		for b := range a.Batch {
			for h := range a.Heads {
				for i := range a.Queries {
					kv := h / (a.Heads / a.KVHeads)
					var sum float64
					out := y[((b*a.Queries+i)*a.Heads+h)*a.Dim:][:a.Dim]
					for j := 0; j <= i+a.Keys-a.Queries; j++ {
						if a.Mask != nil && a.Mask[b*a.Keys+j] == 0 || a.Window > 0 && j <= i+a.Keys-a.Queries-a.Window {
							continue
						}
						var s float64
						q := b*a.QLayout.Batch + i*a.QLayout.Position + h*a.QLayout.Head
						k := b*a.KLayout.Batch + j*a.KLayout.Position + kv*a.KLayout.Head
						v := b*a.VLayout.Batch + j*a.VLayout.Position + kv*a.VLayout.Head
						for d := range a.Dim {
							s += in[0][q+d] * in[1][k+d]
						}
						e := math.Exp(s * float64(a.Scale))
						sum += e
						for d := range a.Dim {
							out[d] += e * in[2][v+d]
						}
					}
					lse[(b*a.Heads+h)*a.Queries+i] = math.Log(sum)
					for d := range out {
						if sum > 0 {
							out[d] /= sum
						}
					}
				}
			}
		}
		return [][]float64{y, lse}
	}
}

func TestAttentionEqualsTheDefinitionAndItsGradients(t *testing.T) {
	cases := []struct {
		b, l, s, hq, hkv, dh int
		cache, mask          bool
		window               int
	}{
		{1, 1, 1, 1, 1, 1, false, false, 0},
		{2, 7, 7, 4, 2, 8, false, false, 0},
		{1, 70, 70, 2, 1, 16, false, false, 0},
		{2, 3, 130, 2, 2, 5, true, false, 0},
		{2, 65, 129, 2, 1, 16, true, true, 0},
		{1, 64, 74, 1, 1, 8, true, false, 0}, // rows of a tile that see none of its keys
		{1, 130, 150, 1, 1, 8, true, false, 0},
		{1, 1, 20, 4, 4, 64, true, true, 0},
		{2, 9, 9, 2, 2, 33, false, true, 0},
		{1, 9, 9, 1, 1, 4, false, false, 1},
		{1, 200, 200, 2, 1, 8, false, false, 70},
		{2, 65, 195, 2, 2, 8, true, true, 64},
		{1, 1, 150, 2, 1, 8, true, false, 20},
	}
	eachLevel(t, func(t *testing.T) {
		for _, c := range cases {
			t.Run(fmt.Sprint(c), func(t *testing.T) {
				r := newSource(12)
				a := AttentionInput{Batch: c.b, Queries: c.l, Keys: c.s, Heads: c.hq, KVHeads: c.hkv, Dim: c.dh, Scale: float32(1 / math.Sqrt(float64(c.dh))), Window: c.window}
				a.QLayout = DenseHeads(c.l, c.hq, c.dh)
				a.KLayout = DenseHeads(c.s, c.hkv, c.dh)
				capacity := c.s
				if c.cache {
					capacity = c.s + 3
					a.KLayout = CacheHeads(c.hkv, capacity, c.dh)
				}
				a.VLayout = a.KLayout
				a.Q = r.slice(c.b*c.l*c.hq*c.dh, -1, 1)
				a.K, a.V = r.slice(c.b*capacity*c.hkv*c.dh, -1, 1), r.slice(c.b*capacity*c.hkv*c.dh, -1, 1)
				if c.mask {
					a.Mask = make([]float32, c.b*c.s)
					for i := range a.Mask {
						if i%c.s >= 2 { // left padding: the first queries see nothing
							a.Mask[i] = 1
						}
					}
				}
				dy := r.slice(len(a.Q), -1, 1)
				out := eachThreads(t, func(p *Pool) [][]float32 {
					y, lse := garbage(len(a.Q)), garbage(c.b*c.hq*c.l)
					AttentionForward(p, a, y, lse, garbage(AttentionScratch(p, a)))
					dq, dk, dv := garbage(len(a.Q)), make([]float32, len(a.K)), make([]float32, len(a.V))
					AttentionBackward(p, a, y, lse, dy, dq, dk, dv, garbage(AttentionBackwardScratch(p, a)))
					return [][]float32{y, lse, dq, dk, dv}
				})
				want := attentionModel(a)([][]float64{wide(a.Q), wide(a.K), wide(a.V)})
				near(t, "y", out[0], want[0], 1e-6)
				near(t, "lse", out[1], want[1], 1e-6)
				gradients(t, attentionModel(a), [][]float32{a.Q, a.K, a.V}, [][]float32{dy, nil}, out[2:], 1e-5)
			})
		}
	})
}

func TestRotaryInverseUndoesItAndKeepsLengths(t *testing.T) {
	for _, inter := range []bool{false, true} {
		s := RotaryShape{Batch: 2, Length: 40, Heads: 3, Dim: 10, Rot: 6, Base: 10000, Interleaved: inter}
		r := newSource(13)
		x := r.slice(2*40*3*10, -1, 1)
		y := eachThreads(t, func(p *Pool) [][]float32 {
			y := garbage(len(x))
			Rotary(p, s, 5, false, x, y, garbage(RotaryScratch(s)))
			return [][]float32{y}
		})[0]
		for b := range 2 {
			for l := range 40 {
				for h := range 3 {
					at := ((b*40+l)*3 + h) * 10
					for i := range 3 {
						i1, i2 := at+i, at+3+i
						if inter {
							i1, i2 = at+2*i, at+2*i+1
						}
						sin, cos := math.Sincos(float64(5+l) * math.Pow(10000, -2*float64(i)/6))
						x1, x2 := float64(x[i1]), float64(x[i2])
						near(t, "rotated pair", []float32{y[i1], y[i2]}, []float64{x1*cos - x2*sin, x2*cos + x1*sin}, 3e-7)
					}
					near(t, "the rest", y[at+6:at+10], wide(x[at+6:at+10]), 0)
				}
			}
		}
		Rotary(nil, s, 5, true, y, y, garbage(RotaryScratch(s)))
		near(t, "undone", y, wide(x), 3e-7)
	}
	mustPanic(t, "odd Rot", func() {
		Rotary(nil, RotaryShape{Batch: 1, Length: 1, Heads: 1, Dim: 4, Rot: 3, Base: 1e4}, 0, false, make([]float32, 4), make([]float32, 4), make([]float32, 4))
	})
}

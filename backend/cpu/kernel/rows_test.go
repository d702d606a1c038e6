package kernel

import (
	"fmt"
	"math"
	"testing"
)

var rowShapes = [][2]int{{0, 5}, {1, 1}, {3, 7}, {5, 8}, {2, 33}, {70, 16}, {200, 40}}

func normModel(rows, d int, eps float64, centred bool) func(in [][]float64) [][]float64 {
	return func(in [][]float64) [][]float64 {
		y := make([]float64, rows*d)
		for r := range rows {
			x := in[0][r*d : (r+1)*d]
			var mean, sq float64
			if centred {
				for _, v := range x {
					mean += v / float64(d)
				}
			}
			for _, v := range x {
				sq += (v - mean) * (v - mean) / float64(d)
			}
			for j, v := range x {
				n := (v - mean) / math.Sqrt(sq+eps)
				if in[1] != nil {
					n *= in[1][j]
				}
				if in[2] != nil {
					n += in[2][j]
				}
				y[r*d+j] = n
			}
		}
		return [][]float64{y}
	}
}

func TestNormsEqualTheDefinitionAndTheirGradients(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, s := range rowShapes {
			for mode := range 4 {
				rows, d, centred, plain := s[0], s[1], mode&1 != 0, mode&2 != 0
				t.Run(fmt.Sprint(s, centred, plain), func(t *testing.T) {
					r := newSource(30)
					x, dy := r.slice(rows*d, -1, 2), r.slice(rows*d, -1, 1)
					gain, bias := r.slice(d, 0.5, 1.5), r.slice(d, -1, 1)
					if plain {
						gain, bias = nil, nil
					}
					const eps = 1e-2 // large, so that a single value has a gradient
					out := eachThreads(t, func(p *Pool) [][]float32 {
						y, mean, rstd := garbage(rows*d), garbage(rows), garbage(rows)
						dx, dg, db := garbage(rows*d), garbage(d), garbage(d)
						if centred {
							LayerNormForward(p, rows, d, eps, x, gain, bias, y, mean, rstd)
							LayerNormBackward(p, rows, d, x, gain, mean, rstd, dy, dx, dg, db, garbage(NormBackwardScratch(rows, d)))
						} else {
							RMSNormForward(p, rows, d, eps, x, gain, bias, y, rstd)
							RMSNormBackward(p, rows, d, x, gain, rstd, dy, dx, dg, db, garbage(NormBackwardScratch(rows, d)))
						}
						return [][]float32{y, dx, dg, db}
					})
					model := normModel(rows, d, float64(float32(eps)), centred)
					near(t, "y", out[0], model([][]float64{wide(x), wide(gain), wide(bias)})[0], 2e-6)
					grads := out[1:]
					if plain {
						grads = [][]float32{out[1], nil, nil}
					}
					gradients(t, model, [][]float32{x, gain, bias}, [][]float32{dy}, grads, 2e-5)
				})
			}
		}
	})
}

func TestSoftmaxEqualsTheDefinitionAndItsGradient(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, s := range rowShapes {
			rows, d := s[0], s[1]
			r := newSource(31)
			x, dy := r.slice(rows*d, -5, 5), r.slice(rows*d, -1, 1)
			out := eachThreads(t, func(p *Pool) [][]float32 {
				y, dx := garbage(rows*d), garbage(rows*d)
				Softmax(p, rows, d, x, y)
				SoftmaxBackward(p, rows, d, y, dy, dx)
				return [][]float32{y, dx}
			})
			model := func(in [][]float64) [][]float64 {
				y := make([]float64, rows*d)
				for i := range rows {
					var sum float64
					for j := range d {
						y[i*d+j] = math.Exp(in[0][i*d+j])
						sum += y[i*d+j]
					}
					for j := range d {
						y[i*d+j] /= sum
					}
				}
				return [][]float64{y}
			}
			near(t, "y", out[0], model([][]float64{wide(x)})[0], 1e-6)
			gradients(t, model, [][]float32{x}, [][]float32{dy}, out[1:], 2e-6)
		}
		y := garbage(6)
		Softmax(nil, 2, 3, []float32{-inf, 1000, -inf, -inf, -inf, -inf}, y)
		near(t, "with -Inf", y, []float64{0, 1, 0, 0, 0, 0}, 0)
	})
}

func TestCrossEntropyEqualsTheDefinitionAndItsGradient(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		const tokens, vocab = 37, 51
		r := newSource(32)
		x, dl := r.slice(tokens*vocab, -5, 5), r.slice(tokens, 0, 1)
		targets := make([]int64, tokens)
		for i := range targets {
			targets[i] = int64(r.Intn(vocab))
			if i%5 == 2 {
				targets[i] = IgnoreTarget
			}
		}
		out := eachThreads(t, func(p *Pool) [][]float32 {
			loss, lse, dx := garbage(tokens), garbage(tokens), garbage(len(x))
			CrossEntropy(p, tokens, vocab, x, targets, loss, lse, garbage(CrossEntropyScratch(p, vocab)))
			CrossEntropyBackward(p, tokens, vocab, x, targets, lse, dl, dx)
			return [][]float32{loss, lse, dx}
		})
		model := func(in [][]float64) [][]float64 {
			loss := make([]float64, tokens)
			for i, v := range targets {
				var sum float64
				for _, e := range in[0][i*vocab : (i+1)*vocab] {
					sum += math.Exp(e)
				}
				if v != IgnoreTarget {
					loss[i] = math.Log(sum) - in[0][i*vocab+int(v)]
				}
			}
			return [][]float64{loss}
		}
		near(t, "loss", out[0], model([][]float64{wide(x)})[0], 1e-6)
		gradients(t, model, [][]float32{x}, [][]float32{dl}, [][]float32{out[2]}, 2e-6)
	})
	mustPanic(t, "target out of range", func() {
		CrossEntropy(nil, 1, 3, make([]float32, 3), []int64{3}, make([]float32, 1), make([]float32, 1), make([]float32, 3))
	})
}

func TestReductionsEqualTheDefinition(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, s := range append(rowShapes, [2]int{1000, 9}, [2]int{3, 0}) {
			rows, d := s[0], s[1]
			r := newSource(33)
			x, y, v, w := r.slice(rows*d, -1, 1), r.slice(rows*d, -1, 1), r.slice(d, -1, 1), r.slice(rows, -1, 1)
			out := eachThreads(t, func(p *Pool) [][]float32 {
				last, lead, more := garbage(rows), garbage(d), append([]float32(nil), v...)
				SumLast(p, rows, d, x, last)
				SumLeading(p, rows, d, x, lead, false, garbage(SumLeadingScratch(rows, d)))
				SumLeading(p, rows, d, x, more, true, garbage(SumLeadingScratch(rows, d)))
				sum, prod, scaled, inner := garbage(rows*d), garbage(rows*d), garbage(rows*d), garbage(rows)
				AddRows(p, rows, d, sum, x, v)
				MulRows(p, rows, d, prod, x, v)
				ScaleRows(p, rows, d, scaled, x, w)
				DotRows(p, rows, d, x, y, inner)
				return [][]float32{last, lead, more, sum, prod, scaled, inner}
			})
			want := [][]float64{make([]float64, rows), make([]float64, d), wide(v), make([]float64, rows*d), make([]float64, rows*d), make([]float64, rows*d), make([]float64, rows)}
			for i := range rows {
				for j := range d {
					e := float64(x[i*d+j])
					want[0][i] += e
					want[1][j] += e
					want[2][j] += e
					want[3][i*d+j] = e + float64(v[j])
					want[4][i*d+j] = e * float64(v[j])
					want[5][i*d+j] = e * float64(w[i])
					want[6][i] += e * float64(y[i*d+j])
				}
			}
			for k := range want {
				near(t, fmt.Sprintf("%v result %d", s, k), out[k], want[k], 2e-6)
			}
		}
	})
}

func TestAdamWEqualsTheDefinition(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := newSource(34)
		const n = elementBlock + 37
		p0, g := r.slice(n, -1, 1), r.slice(n, -1, 1)
		s := AdamWStep{LR: 1e-2, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1, GradScale: 0.5}
		out := eachThreads(t, func(p *Pool) [][]float32 {
			par, m, v := append([]float32(nil), p0...), make([]float32, n), make([]float32, n)
			for s.Step = 1; s.Step <= 3; s.Step++ {
				AdamW(p, par, m, v, g, s)
			}
			return [][]float32{par, m, v}
		})
		want := [][]float64{wide(p0), make([]float64, n), make([]float64, n)}
		for step := 1; step <= 3; step++ {
			for i := range n {
				gi := float64(g[i]) * s.GradScale
				want[0][i] *= 1 - s.LR*s.WeightDecay
				want[1][i] = s.Beta1*want[1][i] + (1-s.Beta1)*gi
				want[2][i] = s.Beta2*want[2][i] + (1-s.Beta2)*gi*gi
				root := math.Sqrt(want[2][i]) / math.Sqrt(1-math.Pow(s.Beta2, float64(step)))
				want[0][i] -= s.LR / (1 - math.Pow(s.Beta1, float64(step))) * want[1][i] / (root + s.Eps)
			}
		}
		for k, name := range []string{"p", "m", "v"} {
			near(t, name, out[k], want[k], 1e-6)
		}
	})
	mustPanic(t, "step 0", func() { AdamW(nil, nil, nil, nil, nil, AdamWStep{}) })
}

func TestRowMovesAndPermutations(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := newSource(35)
		const n, d = 9, 70
		src, dst := r.slice(n*d, -1, 1), r.slice(n*d, -1, 1)
		index := []int64{3, 3, 0, 8, 3, 1}
		rows := r.slice(len(index)*d, -1, 1)
		out := eachThreads(t, func(p *Pool) [][]float32 {
			got, added := garbage(len(index)*d), append([]float32(nil), dst...)
			GatherRows(p, n, d, src, index, got)
			ScatterAddRows(p, n, d, rows, index, added)
			return [][]float32{got, added}
		})
		want := wide(dst)
		for i, v := range index {
			near(t, "gathered", out[0][i*d:(i+1)*d], wide(src[v*d:(v+1)*d]), 0)
			for j := range d {
				want[int(v)*d+j] += float64(rows[i*d+j])
			}
		}
		near(t, "scattered", out[1], want, 1e-6)
		mustPanic(t, "index too large", func() { GatherRows(nil, n, d, src, []int64{9}, make([]float32, d)) })
		mustPanic(t, "negative index", func() { ScatterAddRows(nil, n, d, rows, []int64{-1}, dst) })
	})
}

func TestTransposeAndPermute(t *testing.T) {
	r := newSource(36)
	for _, s := range [][3]int{{1, 1, 1}, {2, 65, 130}, {3, 8, 9}, {1, 0, 4}} {
		x := r.slice(s[0]*s[1]*s[2], -1, 1)
		y := eachThreads(t, func(p *Pool) [][]float32 {
			y, z := garbage(len(x)), garbage(len(x))
			Transpose(p, s[0], s[1], s[2], x, y)
			Permute(p, s[:], []int{0, 2, 1}, x, z)
			return [][]float32{y, z}
		})
		for b := range s[0] {
			for i := range s[1] {
				for j := range s[2] {
					at := (b*s[2]+j)*s[1] + i
					if v := x[(b*s[1]+i)*s[2]+j]; y[0][at] != v || y[1][at] != v {
						t.Fatalf("%v: [%d,%d,%d] is %v and %v, want %v", s, b, j, i, y[0][at], y[1][at], v)
					}
				}
			}
		}
	}
	shape := []int{3, 4, 2, 5}
	x := r.slice(120, -1, 1)
	for _, perm := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 0, 2, 3}, {0, 2, 1, 3}, {2, 3, 0, 1}, {1, 3, 0, 2}} {
		y := garbage(120)
		Permute(nil, shape, perm, x, y)
		i := 0
		var c [4]int
		for c[0] = range shape[perm[0]] {
			for c[1] = range shape[perm[1]] {
				for c[2] = range shape[perm[2]] {
					for c[3] = range shape[perm[3]] {
						var s [4]int
						for a, from := range perm {
							s[from] = c[a]
						}
						if want := x[((s[0]*4+s[1])*2+s[2])*5+s[3]]; y[i] != want {
							t.Fatalf("%v: value %d is %v, want %v", perm, i, y[i], want)
						}
						i++
					}
				}
			}
		}
	}
	Permute(nil, nil, nil, []float32{1}, make([]float32, 1))
	mustPanic(t, "repeated axis", func() { Permute(nil, []int{2, 2}, []int{1, 1}, x, x) })
}

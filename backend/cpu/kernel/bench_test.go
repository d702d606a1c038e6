package kernel

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// eachLevelBench runs a benchmark on every level and with 1 and 2 threads.
func eachLevelBench(b *testing.B, f func(b *testing.B, p *Pool)) {
	saved := active
	defer func() { active = saved }()
	for _, l := range levels() {
		active = l
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/threads=%d", l.name, threads), func(b *testing.B) {
				p := NewPool(threads)
				defer p.Close()
				b.ReportAllocs()
				f(b, p)
			})
		}
	}
}

// best runs f and reports work per nanosecond of the fastest call, or the reverse: the
// machines these numbers come from have other work to do.
func best(b *testing.B, work float64, unit string, f func()) {
	least := time.Duration(math.MaxInt64)
	for b.Loop() {
		start := time.Now()
		f()
		least = min(least, time.Since(start))
	}
	rate := work / float64(least.Nanoseconds())
	if strings.HasPrefix(unit, "ns/") {
		rate = 1 / rate
	}
	b.ReportMetric(rate, unit)
	b.ReportMetric(0, "ns/op")
}

func BenchmarkGemm(b *testing.B) {
	for _, s := range [][3]int{
		{512, 512, 512},
		{1024, 1024, 1024},
		{2048, 1024, 256},
		{256, 1536, 512},
		{256, 512, 1536},
		{256, 256, 256},
		{128, 1536, 512},
		{64, 1536, 512},
		{32, 1536, 512},
		{16, 1536, 512},
		{8, 1536, 512},
		{64, 768, 256},
		{8, 768, 256},
		{1, 1536, 512},
	} {
		for mode, name := range []string{"NN", "NT", "TN"} {
			b.Run(fmt.Sprintf("%d,%d,%d/%s", s[0], s[1], s[2], name), func(b *testing.B) {
				eachLevelBench(b, func(b *testing.B, p *Pool) {
					m, n, k := s[0], s[1], s[2]
					r := newSource(1)
					x, y := dense(r.slice(m*k, -1, 1), m, k, mode == 2), dense(r.slice(k*n, -1, 1), k, n, mode == 1)
					c := dense(make([]float32, m*n), m, n, false)
					scratch := make([]float32, GemmScratch(p, x.Trans, m, n, k))
					best(b, 2*float64(m*n*k), "GFLOP/s", func() { Gemm(p, m, n, k, x, y, c, false, scratch) })
				})
			})
		}
	}
}

// BenchmarkPanels is Gemm with a matrix in panels, and the cutting of one.
func BenchmarkPanels(b *testing.B) {
	const n, k = 1536, 512
	for _, m := range []int{8, 16, 32, 64, 128, 256} {
		b.Run(fmt.Sprintf("%d,%d,%d", m, n, k), func(b *testing.B) {
			eachLevelBench(b, func(b *testing.B, p *Pool) {
				r := newSource(1)
				x, w, c := dense(r.slice(m*k, -1, 1), m, k, false), r.slice(k*n, -1, 1), dense(make([]float32, m*n), m, n, false)
				panels := Matrix{Data: make([]float32, PanelsSize(n, k)), Packed: true}
				PackPanels(p, 1, n, k, w, false, panels.Data)
				scratch := make([]float32, GemmScratch(p, false, m, n, k))
				best(b, 2*float64(m*n*k), "GFLOP/s", func() { Gemm(p, m, n, k, x, panels, c, false, scratch) })
			})
		})
	}
	for _, trans := range []bool{false, true} {
		b.Run(fmt.Sprintf("pack/transposed=%v", trans), func(b *testing.B) {
			eachLevelBench(b, func(b *testing.B, p *Pool) {
				w, dst := newSource(1).slice(k*n, -1, 1), make([]float32, PanelsSize(n, k))
				best(b, float64(k*n), "values/ns", func() { PackPanels(p, 1, n, k, w, trans, dst) })
			})
		})
	}
}

func BenchmarkGemmBF16(b *testing.B) {
	for _, s := range [][3]int{{512, 512, 512}, {1024, 1024, 1024}, {2048, 1024, 256}, {64, 1536, 512}, {256, 512, 1536}} {
		for mode, name := range []string{"NN", "NT", "TN"} {
			b.Run(fmt.Sprintf("%d,%d,%d/%s", s[0], s[1], s[2], name), func(b *testing.B) {
				eachLevelBench(b, func(b *testing.B, p *Pool) {
					m, n, k := s[0], s[1], s[2]
					x, y := halfDense(make([]uint16, m*k), m, k, mode == 2), halfDense(make([]uint16, k*n), k, n, mode == 1)
					c := dense(make([]float32, m*n), m, n, false)
					scratch := make([]float32, GemmBF16Scratch(p, m, n, k))
					best(b, 2*float64(m*n*k), "GFLOP/s", func() { GemmBF16(p, m, n, k, x, y, c, false, scratch) })
				})
			})
		}
	}
}

func BenchmarkGroupedGemm(b *testing.B) {
	const e, rows, n, k = 8, 2048, 768, 256
	eachLevelBench(b, func(b *testing.B, p *Pool) {
		r := newSource(1)
		x, w, y := r.slice(rows*k, -1, 1), r.slice(e*n*k, -1, 1), make([]float32, rows*n)
		offsets := make([]int64, e+1)
		for i := range offsets {
			offsets[i] = int64(i * rows / e)
		}
		scratch := make([]float32, GroupedGemmScratch(p, rows, n, k))
		best(b, 2*float64(rows*n*k), "GFLOP/s", func() { GroupedGemm(p, e, rows, n, k, x, offsets, w, false, y, scratch) })
	})
}

func BenchmarkScan(b *testing.B) {
	for _, d := range []int{512, 1024} {
		eachLevelBench(b, func(b *testing.B, p *Pool) {
			const batch, l = 4, 256
			s := scanCase(newSource(1), batch, l, d, 16, 1, true)
			for i := range s.Delta {
				s.Delta[i] *= 0.3
			}
			y, h, ck := make([]float32, len(s.U)), make([]float32, len(s.H0)), make([]float32, ScanCheckpoints(s))
			scratch := make([]float32, max(ScanScratch(p, s), ScanBackwardScratch(p, s)))
			g := ScanGrads{U: make([]float32, len(y)), Delta: make([]float32, len(y)), A: make([]float32, len(s.A)), B: make([]float32, len(s.B)), C: make([]float32, len(s.C)), Skip: make([]float32, d)}
			b.Run(fmt.Sprintf("D=%d/forward", d), func(b *testing.B) {
				best(b, batch*l*float64(d), "ns/token·channel", func() { ScanForward(p, s, y, h, ck, scratch) })
			})
			b.Run(fmt.Sprintf("D=%d/backward", d), func(b *testing.B) {
				best(b, batch*l*float64(d), "ns/token·channel", func() { ScanBackward(p, s, ck, y, nil, g, scratch) })
			})
		})
	}
}

// BenchmarkSSD is Mamba-2 at its usual sizes: heads of 64 channels and N = 64 and 128.
func BenchmarkSSD(b *testing.B) {
	for _, n := range []int{64, 128} {
		eachLevelBench(b, func(b *testing.B, p *Pool) {
			const batch, l, heads, dim = 4, 256, 8, 64
			s := ssdCase(newSource(1), batch, l, heads, dim, 1, n, 64)
			y, h, ck := make([]float32, len(s.X)), make([]float32, len(s.H0)), make([]float32, SSDCheckpoints(s))
			scratch := make([]float32, max(SSDScratch(p, s), SSDBackwardScratch(p, s)))
			g := SSDGrads{X: make([]float32, len(y)), Decay: make([]float32, len(s.Decay)), B: make([]float32, len(s.B)), C: make([]float32, len(s.C))}
			b.Run(fmt.Sprintf("N=%d/forward", n), func(b *testing.B) {
				best(b, batch*l*heads*dim, "ns/token·channel", func() { SSDForward(p, s, y, h, ck, scratch) })
			})
			b.Run(fmt.Sprintf("N=%d/backward", n), func(b *testing.B) {
				best(b, batch*l*heads*dim, "ns/token·channel", func() { SSDBackward(p, s, ck, y, nil, g, scratch) })
			})
		})
	}
}

// BenchmarkDiagonal is S4D at its usual size: 32 pairs of modes for every channel.
func BenchmarkDiagonal(b *testing.B) {
	eachLevelBench(b, func(b *testing.B, p *Pool) {
		const batch, l, c, modes = 4, 256, 512, 32
		s := diagonalCase(newSource(1), batch, l, c, modes, 1)
		y, h, ck := make([]float32, len(s.U)), make([]float32, len(s.H0)), make([]float32, DiagonalCheckpoints(s))
		scratch := make([]float32, max(DiagonalScratch(p, s), DiagonalBackwardScratch(p, s)))
		g := DiagonalGrads{U: make([]float32, len(y)), A: make([]float32, len(s.A)), W: make([]float32, len(s.W))}
		b.Run("forward", func(b *testing.B) {
			best(b, batch*l*c, "ns/token·channel", func() { DiagonalForward(p, s, y, h, ck, scratch) })
		})
		b.Run("backward", func(b *testing.B) {
			best(b, batch*l*c, "ns/token·channel", func() { DiagonalBackward(p, s, ck, y, nil, g, scratch) })
		})
	})
}

func BenchmarkElementwise(b *testing.B) {
	const n = elementBlock
	for _, c := range []struct {
		name string
		f    func(p *Pool, dst, x []float32)
	}{{"exp", Exp}, {"sigmoid", Sigmoid}, {"silu", SiLU}, {"softplus", Softplus}, {"tanh", Tanh}, {"gelu", GELU}, {"relu", ReLU}, {"log", Log}} {
		b.Run(c.name, func(b *testing.B) {
			eachLevelBench(b, func(b *testing.B, p *Pool) {
				x, y := newSource(1).slice(n, -8, 8), make([]float32, n)
				best(b, float64(n), "ns/value", func() { c.f(p, y, x) })
			})
		})
	}
}

func BenchmarkConv(b *testing.B) {
	eachLevelBench(b, func(b *testing.B, p *Pool) {
		s := ConvShape{Batch: 8, Length: 256, Channels: 512, Taps: 4}
		r := newSource(1)
		x, w := r.slice(8*256*512, -1, 1), r.slice(512*4, -1, 1)
		y, dx, dw := make([]float32, len(x)), make([]float32, len(x)), make([]float32, len(w))
		scratch := make([]float32, ConvBackwardScratch(p, s))
		b.Run("forward", func(b *testing.B) {
			best(b, float64(len(x)), "ns/value", func() { ConvForward(p, s, x, w, nil, nil, y, nil, scratch) })
		})
		b.Run("backward", func(b *testing.B) {
			best(b, float64(len(x)), "ns/value", func() { ConvBackward(p, s, x, w, nil, y, nil, ConvGrads{X: dx, W: dw}, scratch) })
		})
	})
}

func BenchmarkAttention(b *testing.B) {
	eachLevelBench(b, func(b *testing.B, p *Pool) {
		const batch, l, h, dh = 4, 256, 4, 64
		r := newSource(1)
		lay := DenseHeads(l, h, dh)
		n := batch * l * h * dh
		a := AttentionInput{
			Batch: batch, Queries: l, Keys: l, Heads: h, KVHeads: h, Dim: dh, Scale: 0.125,
			Q: r.slice(n, -1, 1), K: r.slice(n, -1, 1), V: r.slice(n, -1, 1), QLayout: lay, KLayout: lay, VLayout: lay,
		}
		y, lse := make([]float32, n), make([]float32, batch*h*l)
		dq, dk, dv := make([]float32, n), make([]float32, n), make([]float32, n)
		scratch := make([]float32, max(AttentionScratch(p, a), AttentionBackwardScratch(p, a)))
		flops := 2 * float64(batch*h*l*l*dh) // causal half of two products
		b.Run("forward", func(b *testing.B) {
			best(b, flops, "GFLOP/s", func() { AttentionForward(p, a, y, lse, scratch) })
		})
		b.Run("backward", func(b *testing.B) {
			best(b, 2.5*flops, "GFLOP/s", func() { AttentionBackward(p, a, y, lse, y, dq, dk, dv, scratch) })
		})
	})
}

func BenchmarkPoolRun(b *testing.B) {
	p := NewPool(2)
	defer p.Close()
	t := &workerTask{}
	for b.Loop() {
		p.RunTask(2, t)
	}
}

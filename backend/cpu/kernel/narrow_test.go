package kernel

import (
	"fmt"
	"math"
	"testing"

	"github.com/moezoo/moezoo/half"
)

var narrowKinds = []string{"bfloat16", "float16", "int8"}

// narrow makes a matrix of rows·stride random elements, and what they stand for in float32:
// the scale of int8 belongs to columns of op(b), n for each group.
func (r source) narrow(kind string, size, groups, n, stride int, trans bool) (Narrow, []float32) {
	b, wide := Narrow{Stride: stride, Trans: trans}, make([]float32, size)
	if kind == "int8" {
		b.Scale = r.slice(groups*n, 0.001, 0.01)
	}
	perGroup := size / max(groups, 1)
	for i := range wide {
		x := 2*r.Float32() - 1
		switch kind {
		case "bfloat16":
			b.BFloat16 = append(b.BFloat16, half.ToBFloat16(x))
			wide[i] = half.FromBFloat16(b.BFloat16[i])
		case "float16":
			b.Float16 = append(b.Float16, half.ToFloat16(x))
			wide[i] = half.FromFloat16(b.Float16[i])
		default:
			q := int8(r.Intn(255) - 127)
			b.Int8 = append(b.Int8, q)
			column := i % perGroup % stride
			if trans {
				column = i % perGroup / stride
			}
			if column < n { // beyond it lies what no product reads
				wide[i] = float32(q) * b.Scale[i/perGroup*n+column]
			}
		}
	}
	return b, wide
}

// withAndWithoutDigits runs a test on every level, and on those that multiply int8 in whole
// numbers also the other way.
func withAndWithoutDigits(t *testing.T, f func(t *testing.T)) {
	eachLevel(t, func(t *testing.T) {
		t.Run("active", f)
		if active.gemvDigits == nil {
			return
		}
		plain := *active
		plain.gemvDigits = nil
		saved := active
		active = &plain
		defer func() { active = saved }()
		t.Run("without digits", f)
	})
}

// One row times int8, of whatever size its values are: as good as a sum in float32.
func TestNarrowGemmKeepsTheBitsOfOneRow(t *testing.T) {
	const n, k = 70, 40
	r := newSource(4)
	b, wide := r.narrow("int8", n*k, 1, n, n, false)
	rows := map[string]func(i int) float32{
		"tiny": func(i int) float32 { return (2*r.Float32() - 1) * 1e-25 },
		"huge": func(i int) float32 { return (2*r.Float32() - 1) * 1e25 },
		"one size": func(i int) float32 {
			return []float32{1.9999999, -1.9999999, 1.984375, 1.9843749, -1.984375, 1, -1}[i%7]
		},
		"a large one":    func(i int) float32 { return []float32{3e4, 1, -1, 0.1}[min(i%16, 3)] },
		"zeros":          func(i int) float32 { return 0 },
		"zeros but one":  func(i int) float32 { return float32(max(i-k+2, 0)) },
		"smaller groups": func(i int) float32 { return (2*r.Float32() - 1) / float32(int(1)<<(i/8*4)) },
	}
	withAndWithoutDigits(t, func(t *testing.T) {
		for name, value := range rows {
			x, y := make([]float32, k), garbage(n)
			for i := range x {
				x[i] = value(i)
			}
			NarrowGemm(nil, 1, n, k, Matrix{Data: x, Stride: k}, b, Matrix{Data: y, Stride: n}, garbage(NarrowGemmScratch(nil, 1, n, k)))
			for j := range y {
				var want, size float64
				for p, v := range x {
					want += float64(v) * float64(wide[p*n+j])
					size += math.Abs(float64(v) * float64(wide[p*n+j]))
				}
				if e := math.Abs(float64(y[j]) - want); !(e <= 2e-6*size) {
					t.Fatalf("%s: y[%d] = %v, want %v; products add up to %v", name, j, y[j], want, size)
				}
			}
		}
	})
}

// What is no number is none in any column, so that it is found.
func TestNarrowGemmShowsWhatIsNoNumber(t *testing.T) {
	const n, k = 70, 40
	r := newSource(5)
	withAndWithoutDigits(t, func(t *testing.T) {
		for _, v := range []float64{math.Inf(1), math.Inf(-1), math.NaN()} {
			b, _ := r.narrow("int8", n*k, 1, n, n, false)
			x, y := r.slice(k, -1, 1), make([]float32, n)
			x[17] = float32(v)
			NarrowGemm(nil, 1, n, k, Matrix{Data: x, Stride: k}, b, Matrix{Data: y, Stride: n}, garbage(NarrowGemmScratch(nil, 1, n, k)))
			for j, got := range y {
				if f := float64(got); !math.IsInf(f, 0) && !math.IsNaN(f) {
					t.Fatalf("with %v among the row: y[%d] = %v", v, j, got)
				}
			}
		}
	})
}

func TestNarrowGemmIsTheProductOfWhatIsStored(t *testing.T) {
	shapes := [][3]int{ // m, n, k
		{0, 5, 3},
		{1, 0, 3},
		{1, 7, 0},
		{3, 7, 0},
		{1, 1, 1},
		{1, 8, 8},
		{1, 17, 9},
		{1, 33, 300},
		{1, 600, 33},
		{1, 5000, 20},
		{1, 64, 4},
		{1, 80, 530},
		{1, 127, 23},
		{2, 16, 8},
		{5, 127, 255},
		{13, 128, 256},
		{6, 129, 257},
		{40, 300, 520},
	}
	withAndWithoutDigits(t, func(t *testing.T) {
		r := newSource(1)
		for _, s := range shapes {
			m, n, k := s[0], s[1], s[2]
			for _, kind := range narrowKinds {
				for _, trans := range []bool{false, true} {
					stride, rows := n+3, k
					if trans {
						stride, rows = k+3, n
					}
					b, wide := r.narrow(kind, rows*stride, 1, n, stride, trans)
					a := r.slice(m*k, -1, 1)
					got := eachThreads(t, func(p *Pool) [][]float32 {
						out := garbage(m * n)
						NarrowGemm(p, m, n, k, Matrix{Data: a, Stride: k}, b, Matrix{Data: out, Stride: n}, garbage(NarrowGemmScratch(p, m, n, k)))
						return [][]float32{out}
					})[0]
					want := make([]float64, m*n)
					for i := range m {
						for j := range n {
							for p := range k {
								at := p*stride + j
								if trans {
									at = j*stride + p
								}
								want[i*n+j] += float64(a[i*k+p]) * float64(wide[at])
							}
						}
					}
					near(t, fmt.Sprintf("%v %s trans=%v c", s, kind, trans), got, want, 1e-5)
				}
			}
		}
	})
}

func TestNarrowGroupedIsTheProductOfEachGroup(t *testing.T) {
	cases := []struct {
		offsets []int64
		rows    int
	}{
		{[]int64{0, 1, 1, 2}, 2},   // as in decoding, an expert without rows
		{[]int64{1, 2, 3, 3}, 5},   // rows of nobody before and behind
		{[]int64{0, 0, 9, 30}, 33}, // several rows
		{[]int64{0, 40, 40, 140}, 140},
	}
	const n, k = 133, 70
	withAndWithoutDigits(t, func(t *testing.T) {
		r := newSource(2)
		for _, c := range cases {
			for _, kind := range narrowKinds {
				for _, trans := range []bool{false, true} {
					groups, stride := len(c.offsets)-1, n
					if trans {
						stride = k
					}
					w, wide := r.narrow(kind, groups*n*k, groups, n, stride, trans)
					x := r.slice(c.rows*k, -1, 1)
					got := eachThreads(t, func(p *Pool) [][]float32 {
						out := garbage(c.rows * n)
						NarrowGrouped(p, groups, c.rows, n, k, x, c.offsets, w, out, garbage(NarrowGroupedScratch(p, c.rows, n, k)))
						return [][]float32{out}
					})[0]
					want := make([]float64, c.rows*n)
					for e := range groups {
						for row := int(c.offsets[e]); row < int(c.offsets[e+1]); row++ {
							for j := range n {
								for p := range k {
									at := e*n*k + p*n + j
									if trans {
										at = e*n*k + j*k + p
									}
									want[row*n+j] += float64(x[row*k+p]) * float64(wide[at])
								}
							}
						}
					}
					near(t, fmt.Sprintf("%v %s trans=%v y", c.offsets, kind, trans), got, want, 1e-5)
				}
			}
		}
	})
}

func TestWidenIsExact(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := newSource(3)
		for _, n := range []int{0, 1, 7, 8, 9, 31, 40_000} {
			for _, kind := range narrowKinds[:2] {
				b, want := r.narrow(kind, n, 1, n, max(n, 1), false)
				got := make([]float32, n)
				Widen(nil, got, b)
				for i := range got {
					if got[i] != want[i] {
						t.Fatalf("%s: value %d of %d is %v, want %v", kind, i, n, got[i], want[i])
					}
				}
			}
			b := Narrow{Int8: make([]int8, n)}
			for i := range b.Int8 {
				b.Int8[i] = int8(i)
			}
			got := make([]float32, n)
			Widen(nil, got, b)
			for i := range got {
				if got[i] != float32(int8(i)) {
					t.Fatalf("int8 %d became %v", int8(i), got[i])
				}
			}
		}
	})
}

func TestNarrowSizesAreChecked(t *testing.T) {
	x, y := make([]float32, 8), make([]float32, 4)
	short := Narrow{Int8: make([]int8, 32), Scale: make([]float32, 3), Stride: 4}
	scratch := make([]float32, 100)
	mustPanic(t, "scales", func() {
		NarrowGemm(nil, 1, 4, 8, Matrix{Data: x, Stride: 8}, short, Matrix{Data: y, Stride: 4}, scratch)
	})
	mustPanic(t, "b", func() {
		NarrowGemm(nil, 1, 4, 8, Matrix{Data: x, Stride: 8}, Narrow{BFloat16: make([]uint16, 31), Stride: 4}, Matrix{Data: y, Stride: 4}, scratch)
	})
	mustPanic(t, "w", func() {
		NarrowGrouped(nil, 2, 1, 4, 8, x, []int64{0, 1, 1}, Narrow{BFloat16: make([]uint16, 63)}, y, scratch)
	})
}

// BenchmarkDecodeProducts reads matrices that lie in memory, larger than the caches.
func BenchmarkDecodeProducts(b *testing.B) {
	for _, s := range [][2]int{{4096, 1024}, {1536, 512}, {768, 256}} {
		n, k := s[0], s[1]
		count := 128 << 20 / (n * k) // 512 MB of float32
		r := newSource(1)
		x, y := r.slice(k, -1, 1), make([]float32, n)
		run := func(name string, size int, f func(p *Pool, i int, scratch []float32)) {
			b.Run(fmt.Sprintf("%d,%d/%s", n, k, name), func(b *testing.B) {
				eachLevelBench(b, func(b *testing.B, p *Pool) {
					scratch := make([]float32, max(GemmScratch(p, false, 1, n, k), NarrowGemmScratch(p, 1, n, k)))
					for i := 0; b.Loop(); i++ {
						f(p, i%count, scratch)
					}
					b.ReportMetric(float64(size*n*k)/float64(b.Elapsed().Nanoseconds())*float64(b.N), "GB/s")
				})
			})
		}
		wide := make([]float32, count*n*k)
		for i := range wide {
			wide[i] = 1
		}
		run("float32", 4, func(p *Pool, i int, scratch []float32) {
			Gemm(p, 1, n, k, Matrix{Data: x, Stride: k}, Matrix{Data: wide[i*n*k:], Stride: n}, Matrix{Data: y, Stride: n}, false, scratch)
		})
		wide = nil
		bf := make([]uint16, count*n*k)
		for i := range bf {
			bf[i] = 0x3f80
		}
		run("bfloat16", 2, func(p *Pool, i int, scratch []float32) {
			NarrowGemm(p, 1, n, k, Matrix{Data: x, Stride: k}, Narrow{BFloat16: bf[i*n*k:], Stride: n}, Matrix{Data: y, Stride: n}, scratch)
		})
		bf = nil
		q, scale := make([]int8, count*n*k), r.slice(n, 0, 1)
		for i := range q {
			q[i] = 1
		}
		run("int8", 1, func(p *Pool, i int, scratch []float32) {
			NarrowGemm(p, 1, n, k, Matrix{Data: x, Stride: k}, Narrow{Int8: q[i*n*k:], Scale: scale, Stride: n}, Matrix{Data: y, Stride: n}, scratch)
		})
	}
	p := NewPool(0)
	defer p.Close()
	b.Logf("peak: %+v", MeasurePeak(p, 3, func(n int) []byte { return make([]byte, n) }))
}

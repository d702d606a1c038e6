package kernel

import (
	"fmt"
	"testing"
)

// product is the float64 reference: c = op(a)·op(b) (+ c).
func product(ta, tb bool, m, n, k int, a, b, c []float32, acc bool) []float64 {
	out := make([]float64, m*n)
	for i := range m {
		for j := range n {
			var s float64
			for p := range k {
				ai, bi := i*k+p, p*n+j
				if ta {
					ai = p*m + i
				}
				if tb {
					bi = j*k + p
				}
				s += float64(a[ai]) * float64(b[bi])
			}
			if acc {
				s += float64(c[i*n+j])
			}
			out[i*n+j] = s
		}
	}
	return out
}

func dense(data []float32, rows, cols int, trans bool) Matrix {
	if trans {
		return Matrix{Data: data, Stride: rows, Trans: true}
	}
	return Matrix{Data: data, Stride: cols}
}

func TestGemmEqualsTheDefinition(t *testing.T) {
	shapes := [][3]int{
		{0, 5, 3},
		{5, 0, 3},
		{4, 5, 0},
		{1, 1, 1},
		{1, 1, 0},
		{1, 17, 9},
		{1, 600, 33},
		{2, 16, 8},
		{5, 15, 7},
		{6, 16, 256},
		{7, 17, 257},
		{8, 32, 64},
		{11, 33, 31},
		{12, 48, 20},
		{13, 31, 300},
		{25, 65, 40},
		{97, 50, 16},
		{100, 300, 12},
		{67, 33, 520},
		{14, 32, 8},
		{15, 31, 24},
		{28, 33, 16},
		{29, 64, 40},
		{113, 257, 9},
		{127, 48, 30},
		{30, 40, 1024},
	}
	eachLevel(t, func(t *testing.T) {
		r := newSource(1)
		for _, s := range shapes {
			m, n, k := s[0], s[1], s[2]
			for mode := range 8 {
				ta, tb, acc := mode&1 != 0, mode&2 != 0, mode&4 != 0
				a, b, c := r.slice(m*k, -1, 1), r.slice(k*n, -1, 1), r.slice(m*n, -1, 1)
				got := eachThreads(t, func(p *Pool) [][]float32 {
					out := append([]float32(nil), c...)
					Gemm(p, m, n, k, dense(a, m, k, ta), dense(b, k, n, tb), dense(out, m, n, false), acc, garbage(GemmScratch(p, ta, m, n, k)))
					return [][]float32{out}
				})[0]
				near(t, fmt.Sprintf("%v ta=%v tb=%v acc=%v c", s, ta, tb, acc), got, product(ta, tb, m, n, k, a, b, c, acc), 1e-5)
			}
		}
	})
}

func TestGemmKeepsOutOfOtherColumns(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := newSource(2)
		const m, n, k, lda, ldb, ldc = 9, 19, 21, 30, 40, 25
		a, b, c := r.slice(m*lda, -1, 1), r.slice(k*ldb, -1, 1), r.slice(m*ldc, 5, 6)
		keep := append([]float32(nil), c...)
		Gemm(nil, m, n, k, Matrix{Data: a, Stride: lda}, Matrix{Data: b, Stride: ldb}, Matrix{Data: c, Stride: ldc}, false, garbage(GemmScratch(nil, false, m, n, k)))
		for i := range m {
			for j := range ldc {
				var want float64
				for p := range k {
					if j < n {
						want += float64(a[i*lda+p]) * float64(b[p*ldb+j])
					}
				}
				if j >= n {
					want = float64(keep[i*ldc+j])
				}
				near(t, fmt.Sprintf("c[%d,%d]", i, j), c[i*ldc+j:i*ldc+j+1], []float64{want}, 1e-5)
			}
		}
	})
}

func TestGemmRowsDoNotDependOnTheirNumber(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := newSource(3)
		const n, k = 70, 1024 // the stride has rows moved apart where there are many
		a, b := r.slice(200*k, -1, 1), r.slice(k*n, -1, 1)
		run := func(m int) []float32 {
			c := make([]float32, m*n)
			Gemm(nil, m, n, k, dense(a, m, k, false), dense(b, k, n, false), dense(c, m, n, false), false, garbage(GemmScratch(nil, false, m, n, k)))
			return c
		}
		all := run(200)
		for _, m := range []int{2, 7, 12, 13, 28, 29, 50} {
			for i, v := range run(m) {
				if v != all[i] {
					t.Fatalf("m=%d: value %d is %v, with 200 rows %v", m, i, v, all[i])
				}
			}
		}
	})
}

func TestGroupedGemmEqualsOneProductAGroup(t *testing.T) {
	cases := []struct {
		rows, n, k int
		offsets    []int64
	}{
		{10, 20, 7, []int64{0, 3, 3, 8}},
		{40, 17, 33, []int64{2, 2, 2}},
		{64, 48, 16, []int64{0, 1, 20, 64}},
		{0, 4, 4, []int64{0, 0}},
		{500, 33, 40, []int64{0, 450, 470, 490, 490}},
		{5, 3, 0, []int64{0, 2, 5}},
	}
	eachLevel(t, func(t *testing.T) {
		r := newSource(4)
		for _, c := range cases {
			e := len(c.offsets) - 1
			for _, tw := range []bool{false, true} {
				x, w, dy := r.slice(c.rows*c.k, -1, 1), r.slice(e*c.k*c.n, -1, 1), r.slice(c.rows*c.n, -1, 1)
				base := r.slice(e*c.k*c.n, -1, 1)
				got := eachThreads(t, func(p *Pool) [][]float32 {
					y, dw := garbage(c.rows*c.n), garbage(e*c.k*c.n)
					GroupedGemm(p, e, c.rows, c.n, c.k, x, c.offsets, w, tw, y, garbage(GroupedGemmScratch(p, c.rows, c.n, c.k)))
					GroupedOuter(p, e, c.rows, c.n, c.k, x, dy, c.offsets, dw, false, garbage(GroupedOuterScratch(p, c.rows, c.n, c.k)))
					sum := append([]float32(nil), base...)
					GroupedOuter(p, e, c.rows, c.n, c.k, x, dy, c.offsets, sum, true, garbage(GroupedOuterScratch(p, c.rows, c.n, c.k)))
					return [][]float32{y, dw, sum}
				})
				want := make([]float64, c.rows*c.n)
				for g := range e {
					lo, hi := int(c.offsets[g]), int(c.offsets[g+1])
					wg := w[g*c.k*c.n : (g+1)*c.k*c.n]
					copy(want[lo*c.n:], product(false, tw, hi-lo, c.n, c.k, x[lo*c.k:], wg, nil, false))
					dw := product(true, false, c.k, c.n, hi-lo, x[lo*c.k:], dy[lo*c.n:], base[g*c.k*c.n:], false)
					near(t, "dw", got[1][g*c.k*c.n:(g+1)*c.k*c.n], dw, 1e-5)
					dw = product(true, false, c.k, c.n, hi-lo, x[lo*c.k:], dy[lo*c.n:], base[g*c.k*c.n:], true)
					near(t, "dw added", got[2][g*c.k*c.n:(g+1)*c.k*c.n], dw, 1e-5)
				}
				near(t, "y", got[0], want, 1e-5)
			}
		}
	})
}

func TestGemmRefusesWrongExtents(t *testing.T) {
	v := make([]float32, 100)
	s := make([]float32, 1<<18)
	ok := Matrix{Data: v, Stride: 10}
	Gemm(nil, 10, 10, 10, ok, ok, Matrix{Data: make([]float32, 100), Stride: 10}, false, s)
	for name, f := range map[string]func(){
		"short a":          func() { Gemm(nil, 11, 10, 10, ok, ok, Matrix{Data: make([]float32, 200), Stride: 10}, false, s) },
		"short b":          func() { Gemm(nil, 10, 10, 11, Matrix{Data: make([]float32, 200), Stride: 11}, ok, ok, false, s) },
		"short c":          func() { Gemm(nil, 10, 10, 10, ok, ok, Matrix{Data: v[:99], Stride: 10}, false, s) },
		"overlapping rows": func() { Gemm(nil, 10, 10, 5, ok, ok, Matrix{Data: v, Stride: 9}, false, s) },
		"short scratch":    func() { Gemm(nil, 10, 10, 10, ok, ok, ok, false, s[:10]) },
		"negative":         func() { Gemm(nil, -1, 10, 10, ok, ok, ok, false, s) },
		"transposed c":     func() { Gemm(nil, 10, 10, 10, ok, ok, Matrix{Data: v, Stride: 10, Trans: true}, false, s) },
		"offsets descend":  func() { GroupedGemm(nil, 2, 4, 2, 2, v, []int64{0, 3, 2}, v, false, v, s) },
		"offsets too far":  func() { GroupedGemm(nil, 2, 4, 2, 2, v, []int64{0, 3, 5}, v, false, v, s) },
		"offsets too few":  func() { GroupedGemm(nil, 2, 4, 2, 2, v, []int64{0, 3}, v, false, v, s) },
	} {
		mustPanic(t, name, f)
	}
}

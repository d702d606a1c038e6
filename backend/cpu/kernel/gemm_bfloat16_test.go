package kernel

import (
	"fmt"
	"math"
	"testing"
)

// halved rounds to bfloat16, and gives both the halves and what they stand for.
func halved(x []float32) ([]uint16, []float32) {
	h, back := make([]uint16, len(x)), make([]float32, len(x))
	narrowGeneric(h, x)
	widenGeneric(back, h)
	return h, back
}

func halfDense(data []uint16, rows, cols int, trans bool) MatrixBF16 {
	if trans {
		return MatrixBF16{data, rows, true}
	}
	return MatrixBF16{data, cols, false}
}

// withAndWithoutDots runs a test on every level, and on those that multiply pairs also the
// other way.
func withAndWithoutDots(t *testing.T, f func(t *testing.T)) {
	eachLevel(t, func(t *testing.T) {
		t.Run("active", f)
		if active.dots == nil {
			return
		}
		plain := *active
		plain.dots = nil
		saved := active
		active = &plain
		defer func() { active = saved }()
		t.Run("without dots", f)
	})
}

func TestBFloat16RoundsToNearestEven(t *testing.T) {
	inf := math.Inf(1)
	cases := []struct{ in, want float64 }{
		{1, 1},
		{1 + 1.0/256, 1},
		{1 + 3.0/256, 1 + 4.0/256},
		{1 + 1.01/256, 1 + 2.0/256},
		{-1 - 1.0/256, -1},
		{3.4e38, inf},
		{-3.4e38, -inf},
		{inf, inf},
		{0, 0},
		{1e-45, 0},
		{0x1p-133, 0x1p-133},
	}
	eachLevel(t, func(t *testing.T) {
		x := append(sweep(-100, 100), garbage(3)...)
		x = append(x, math.Float32frombits(0x7fffffff), math.Float32frombits(0xff800001))
		for _, c := range cases {
			x = append(x, float32(c.in))
		}
		want, _ := halved(x)
		for i, c := range cases {
			if got := math.Float32frombits(uint32(want[len(want)-len(cases)+i]) << 16); float64(got) != c.want {
				t.Errorf("%v becomes %v, want %v", c.in, got, c.want)
			}
		}
		for from := range 20 {
			half, back := make([]uint16, len(x)-from), garbage(len(x)-from)
			ToBFloat16(nil, half, x[from:])
			FromBFloat16(nil, back, half)
			for i, h := range half {
				if h != want[from+i] {
					t.Fatalf("%v becomes %#x, in the portable form %#x", x[from+i], h, want[from+i])
				}
				if v := x[from+i]; v != v && back[i] == back[i] {
					t.Fatalf("NaN %#x becomes %v", math.Float32bits(v), back[i])
				}
				if math.Float32bits(back[i]) != uint32(h)<<16 {
					t.Fatalf("%#x widens to %#x", h, math.Float32bits(back[i]))
				}
			}
		}
	})
}

func TestGemmBF16EqualsTheDefinition(t *testing.T) {
	shapes := [][3]int{
		{0, 5, 4},
		{5, 0, 4},
		{4, 5, 0},
		{1, 1, 1},
		{1, 17, 10},
		{5, 15, 7},
		{14, 32, 16},
		{15, 33, 2},
		{13, 31, 300},
		{28, 64, 64},
		{113, 257, 34},
		{67, 33, 1030},
		{30, 40, 2048},
		{100, 300, 12},
		{29, 16, 513},
	}
	withAndWithoutDots(t, func(t *testing.T) {
		r := newSource(60)
		for _, s := range shapes {
			m, n, k := s[0], s[1], s[2]
			for mode := range 8 {
				ta, tb, acc := mode&1 != 0, mode&2 != 0, mode&4 != 0
				ah, a := halved(r.slice(m*k, -1, 1))
				bh, b := halved(r.slice(k*n, -1, 1))
				c := r.slice(m*n, -1, 1)
				got := eachThreads(t, func(p *Pool) [][]float32 {
					out := append([]float32(nil), c...)
					GemmBF16(p, m, n, k, halfDense(ah, m, k, ta), halfDense(bh, k, n, tb), dense(out, m, n, false), acc, garbage(GemmBF16Scratch(p, m, n, k)))
					return [][]float32{out}
				})[0]
				near(t, fmt.Sprintf("%v ta=%v tb=%v acc=%v c", s, ta, tb, acc), got, product(ta, tb, m, n, k, a, b, c, acc), 1e-5)
			}
		}
	})
	h := make([]uint16, 100)
	s := make([]float32, 1<<18)
	mustPanic(t, "short a", func() {
		GemmBF16(nil, 11, 10, 10, MatrixBF16{h, 10, false}, MatrixBF16{h, 10, false}, Matrix{Data: s, Stride: 10}, false, s)
	})
	mustPanic(t, "short b", func() {
		GemmBF16(nil, 10, 10, 10, MatrixBF16{h, 10, false}, MatrixBF16{h[:99], 10, false}, Matrix{Data: s, Stride: 10}, false, s)
	})
	mustPanic(t, "short scratch", func() {
		GemmBF16(nil, 10, 10, 10, MatrixBF16{h, 10, false}, MatrixBF16{h, 10, false}, Matrix{Data: s, Stride: 10}, false, s[:9])
	})
}

// A processor's dots of pairs are those of the definition.
func TestDotPairsEqualTheDefinition(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		if active.dots == nil {
			return
		}
		r := newSource(61)
		const kc, nr = 11, 32
		a, _ := halved(r.slice(14*2*kc, -1, 1))
		b, _ := halved(r.slice(2*nr*kc, -1, 1))
		for rows := 1; rows <= active.gemm.mr; rows++ {
			for _, cols := range []int{16, 32} {
				c := r.slice(rows*nr, -1, 1)
				want := append([]float32(nil), c...)
				active.dots.micro(rows, cols, kc, a, 2*kc, 2, b, 2*nr, c, nr, true, asked{})
				dotPairsGeneric(rows, cols, kc, a, 2*kc, 2, b, 2*nr, want, nr, true)
				near(t, fmt.Sprint(rows, cols), c, wide(want), 1e-6)
			}
		}
		for width := 1; width <= 16; width++ {
			for rows := range 8 {
				got, want := make([]uint16, 512), make([]uint16, 512)
				if rows > 0 {
					active.dots.packPairs(rows, width, a, 20, got, 40)
				}
				packPairsGeneric(rows, width, a, 20, want, 40)
				for i := range want {
					if got[i] != want[i] {
						t.Fatalf("%d rows of %d: value %d is %#x, want %#x", rows, width, i, got[i], want[i])
					}
				}
			}
		}
	})
}

func TestGroupedGemmBF16EqualsOneProductAGroup(t *testing.T) {
	withAndWithoutDots(t, func(t *testing.T) {
		r := newSource(62)
		const rows, n, k = 90, 48, 34
		offsets := []int64{3, 3, 20, 49, 88}
		e := len(offsets) - 1
		xh, x := halved(r.slice(rows*k, -1, 1))
		wh, w := halved(r.slice(e*k*n, -1, 1))
		dyh, dy := halved(r.slice(rows*n, -1, 1))
		for _, tw := range []bool{false, true} {
			got := eachThreads(t, func(p *Pool) [][]float32 {
				y, dw := garbage(rows*n), garbage(e*k*n)
				GroupedGemmBF16(p, e, rows, n, k, xh, offsets, wh, tw, y, garbage(GroupedGemmBF16Scratch(p, rows, n, k)))
				GroupedOuterBF16(p, e, rows, n, k, xh, dyh, offsets, dw, false, garbage(GroupedOuterBF16Scratch(p, rows, n, k)))
				return [][]float32{y, dw}
			})
			want := make([]float64, rows*n)
			for g := range e {
				lo, hi := int(offsets[g]), int(offsets[g+1])
				copy(want[lo*n:], product(false, tw, hi-lo, n, k, x[lo*k:], w[g*k*n:(g+1)*k*n], nil, false))
				near(t, "dw", got[1][g*k*n:(g+1)*k*n], product(true, false, k, n, hi-lo, x[lo*k:], dy[lo*n:], nil, false), 1e-5)
			}
			near(t, "y", got[0], want, 1e-5)
		}
	})
}

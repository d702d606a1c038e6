//go:build linux || darwin

package kernel

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// guarded is memory for n values that ends where a page begins that must not be touched:
// assembly that reads or writes one value too far stops the test.
func guarded(t *testing.T, n int) []float32 {
	t.Helper()
	page := os.Getpagesize()
	size := roundUp(4*n, page)
	m, err := syscall.Mmap(-1, 0, size+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Skipf("no memory map: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Munmap(m) })
	if err := syscall.Mprotect(m[size:], syscall.PROT_NONE); err != nil {
		t.Skipf("no protected page: %v", err)
	}
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&m[size-4*n])), n)
}

// guardedRandom is guarded with values.
func guardedRandom(t *testing.T, r source, n int, lo, hi float32) []float32 {
	s := guarded(t, n)
	copy(s, r.slice(n, lo, hi))
	return s
}

// edges are lengths around whole vectors and unrolled runs of them.
var edges = []int{1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 100}

func TestVectorsStayInTheirExtents(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := newSource(50)
		for _, n := range edges {
			x, y, z, dst := guardedRandom(t, r, n, 0, 1), guardedRandom(t, r, n, 0, 1), guardedRandom(t, r, n, 0, 1), guardedRandom(t, r, n, 0, 1)
			d := active
			for _, f := range []func(dst, x []float32){d.exp, d.sigmoid, d.silu, d.softplus, d.tanh, d.gelu, d.relu, d.log, d.log1p} {
				f(dst, x)
			}
			for _, f := range []func(dst, x, y []float32){d.siluGrad, d.softplusGrad, d.geluGrad, d.reluGrad, d.add, d.mul, d.mulAdd} {
				f(dst, x, y)
			}
			d.axpy(dst, 2, x)
			d.scale(dst, 2, x)
			d.shift(dst, x, 2)
			d.scaled(dst, x, y, 2)
			d.accumulate(dst, x, y, 2)
			d.combine(dst, x, y, z, 1, 2, 3)
			d.expSum(dst, x, 1)
			d.sum(x)
			d.sumSquares(x)
			d.max(x)
			d.dot(x, y)
			d.dot3(x, y, z)
			d.rglruStep(dst, x, y)
			d.rglruInputGrad(dst, x, y)
			d.rglruDecayGrad(dst, x, y, z, y)
			adamW := AdamWStep{Step: 1, Beta1: 0.9, Beta2: 0.9}.consts()
			d.adamW(dst, x, y, z, &adamW)
		}
	})
}

func TestProductsStayInTheirExtents(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := newSource(51)
		for _, s := range [][3]int{{1, 33, 17}, {1, 7, 40}, {5, 15, 7}, {8, 32, 9}, {14, 48, 16}, {29, 33, 23}, {61, 17, 31}, {100, 95, 8}} {
			m, n, k := s[0], s[1], s[2]
			for mode := range 4 {
				ta, tb := mode&1 != 0, mode&2 != 0
				a, b, c := guardedRandom(t, r, m*k, -1, 1), guardedRandom(t, r, k*n, -1, 1), guarded(t, m*n)
				Gemm(nil, m, n, k, dense(a, m, k, ta), dense(b, k, n, tb), dense(c, m, n, false), false, guarded(t, GemmScratch(nil, ta, m, n, k)))
				near(t, fmt.Sprint(s, ta, tb), c, product(ta, tb, m, n, k, a, b, c, false), 1e-5)
			}
		}
	})
}

func TestBFloat16StaysInItsExtents(t *testing.T) {
	halves := func(t *testing.T, n int) []uint16 { return pairs(guarded(t, ceilDiv(n, 2)))[n%2:] }
	eachLevel(t, func(t *testing.T) {
		for _, n := range edges {
			active.narrow(halves(t, n), guarded(t, n))
			active.widen(guarded(t, n), halves(t, n))
		}
		for _, s := range [][3]int{{5, 15, 8}, {14, 48, 16}, {29, 33, 24}, {61, 17, 30}, {100, 95, 10}, {15, 33, 7}} {
			m, n, k := s[0], s[1], s[2]
			for mode := range 4 {
				ta, tb := mode&1 != 0, mode&2 != 0
				a, b, c := halfDense(halves(t, m*k), m, k, ta), halfDense(halves(t, k*n), k, n, tb), dense(guarded(t, m*n), m, n, false)
				GemmBF16(nil, m, n, k, a, b, c, false, guarded(t, GemmBF16Scratch(nil, m, n, k)))
			}
		}
	})
}

func TestConvolutionsStayInTheirExtents(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := newSource(53)
		for _, width := range edges {
			s := ConvShape{Batch: 1, Length: 7, Channels: width, Taps: 4}
			n := 7 * width
			x, dy, w, bias := guardedRandom(t, r, n, -1, 1), guardedRandom(t, r, n, -1, 1), guardedRandom(t, r, 4*width, -1, 1), guardedRandom(t, r, width, -1, 1)
			ConvForward(nil, s, x, w, bias, nil, guarded(t, n), nil, guarded(t, ConvScratch(nil, s)))
			one, past := ConvShape{Batch: 1, Length: 1, Channels: width, Taps: 4}, guarded(t, 3*width)
			ConvForward(nil, one, x[6*width:], w, bias, past, guarded(t, width), past, guarded(t, ConvScratch(nil, one)))
			g := ConvGrads{X: guarded(t, n), W: guarded(t, len(w)), Bias: guarded(t, width)}
			ConvBackward(nil, s, x, w, nil, dy, nil, g, guarded(t, ConvBackwardScratch(nil, s)))
		}
	})
}

func TestScansStayInTheirExtents(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, c := range [][3]int{{8, 9, 8}, {16, 16, 16}, {17, 35, 16}, {32, 5, 32}, {40, 33, 3}} {
			s := scanCase(newSource(52), 1, c[1], c[0], c[2], 1, true)
			for _, p := range []*[]float32{&s.U, &s.Delta, &s.A, &s.B, &s.C, &s.Skip, &s.H0} {
				g := guarded(t, len(*p))
				copy(g, *p)
				*p = g
			}
			y, h, ck := guarded(t, len(s.U)), guarded(t, len(s.H0)), guarded(t, ScanCheckpoints(s))
			ScanForward(nil, s, y, h, ck, guarded(t, ScanScratch(nil, s)))
			one := s
			one.Length, one.H0 = 1, h
			last := len(s.U) - s.Channels
			one.U, one.Delta, one.B, one.C = s.U[last:], s.Delta[last:], s.B[len(s.B)-s.State:], s.C[len(s.C)-s.State:]
			ScanForward(nil, one, guarded(t, s.Channels), h, nil, guarded(t, ScanScratch(nil, one)))
			g := ScanGrads{
				U: guarded(t, len(y)), Delta: guarded(t, len(y)), A: guarded(t, len(s.A)), B: guarded(t, len(s.B)),
				C: guarded(t, len(s.C)), Skip: guarded(t, len(s.Skip)), H0: guarded(t, len(s.H0)),
			}
			ScanBackward(nil, s, ck, y, nil, g, guarded(t, ScanBackwardScratch(nil, s)))
		}
	})
}

func TestDiagonalScansStayInTheirExtents(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, c := range [][4]int{{1, 1, 1, 1}, {7, 17, 2, 2}, {16, 16, 1, 2}, {33, 35, 2, 1}, {56, 5, 3, 2}, {131, 18, 1, 1}} {
			s := diagonalCase(newSource(54), 1, c[1], c[0], c[2], c[3])
			for _, p := range []*[]float32{&s.U, &s.A, &s.W, &s.H0} {
				g := guarded(t, len(*p))
				copy(g, *p)
				*p = g
			}
			y, h, ck := guarded(t, c[1]*c[3]*c[0]), guarded(t, len(s.H0)), guarded(t, DiagonalCheckpoints(s))
			DiagonalForward(nil, s, y, h, ck, guarded(t, DiagonalScratch(nil, s)))
			g := DiagonalGrads{U: guarded(t, len(s.U)), A: guarded(t, len(s.A)), W: guarded(t, len(s.W)), H0: guarded(t, len(s.H0))}
			DiagonalBackward(nil, s, ck, y, h, g, guarded(t, DiagonalBackwardScratch(nil, s)))
			DiagonalBackward(nil, s, ck, nil, h, DiagonalGrads{A: g.A}, guarded(t, DiagonalBackwardScratch(nil, s)))
		}
	})
}

// AVX2 has 16 registers; the generator's allocator knows 32.
func TestAVX2UsesItsSixteenRegisters(t *testing.T) {
	text, err := os.ReadFile("avx2_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	for i := 16; i < 32; i++ {
		for _, kind := range "XYZ" {
			if name := fmt.Sprintf("%c%d", kind, i); strings.Contains(string(text), name) {
				t.Fatalf("avx2_amd64.s uses %s", name)
			}
		}
	}
}

func TestNarrowMatricesStayInTheirExtents(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := newSource(52)
		for _, s := range [][3]int{{1, 8, 8}, {1, 17, 24}, {1, 64, 16}, {1, 132, 9}, {3, 40, 31}, {20, 129, 260}} {
			m, n, k := s[0], s[1], s[2]
			a, c, scale := guardedRandom(t, r, m*k, -1, 1), guarded(t, m*n), guardedRandom(t, r, n, 0, 1)
			bytes := guarded(t, (n*k+3)/4)
			halves := guarded(t, (n*k+1)/2)
			q := unsafe.Slice((*int8)(unsafe.Pointer(&bytes[0])), 4*len(bytes))
			h := unsafe.Slice((*uint16)(unsafe.Pointer(&halves[0])), 2*len(halves))
			for _, b := range []Narrow{{Int8: q[len(q)-n*k:], Scale: scale}, {BFloat16: h[len(h)-n*k:]}, {Float16: h[len(h)-n*k:]}} {
				for _, b.Trans = range []bool{false, true} {
					b.Stride = n
					if b.Trans {
						b.Stride = k
					}
					NarrowGemm(nil, m, n, k, Matrix{Data: a, Stride: k}, b, Matrix{Data: c, Stride: n}, guarded(t, NarrowGemmScratch(nil, m, n, k)))
				}
			}
		}
	})
}

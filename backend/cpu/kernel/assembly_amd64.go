//go:build amd64 && !noasm

package kernel

import "unsafe"

// The functions of this file turn assembly, which takes addresses, into the fields of
// dispatch, which take slices. Assembly handles lengths that are no multiple of a vector,
// except where said otherwise.

// ptr is the address of the first value; of an empty slice it may be nil.
func ptr(s []float32) *float32 {
	if len(s) == 0 {
		return nil
	}
	return &s[0]
}

func unaryOf(f func(n int, dst, x *float32)) func(dst, x []float32) {
	return func(dst, x []float32) { f(len(x), ptr(dst), ptr(x)) }
}

func binaryOf(f func(n int, dst, x, y *float32)) func(dst, x, y []float32) {
	return func(dst, x, y []float32) { f(len(x), ptr(dst), ptr(x), ptr(y)) }
}

func axpyOf(f func(n int, dst, x *float32, a float32)) func(dst []float32, a float32, x []float32) {
	return func(dst []float32, a float32, x []float32) { f(len(x), ptr(dst), ptr(x), a) }
}

func shiftOf(f func(n int, dst, x *float32, a float32)) func(dst, x []float32, a float32) {
	return func(dst, x []float32, a float32) { f(len(x), ptr(dst), ptr(x), a) }
}

func scaledOf(f func(n int, dst, x, g *float32, r float32)) func(dst, x, g []float32, r float32) {
	return func(dst, x, g []float32, r float32) { f(len(x), ptr(dst), ptr(x), ptr(g), r) }
}

func accumulateOf(f func(n int, dst, x, y *float32, a float32)) func(dst, x, y []float32, a float32) {
	return func(dst, x, y []float32, a float32) { f(len(x), ptr(dst), ptr(x), ptr(y), a) }
}

func combineOf(f func(n int, dst, dy, g, x *float32, a, b, c float32)) func(dst, dy, g, x []float32, a, b, c float32) {
	return func(dst, dy, g, x []float32, a, b, c float32) { f(len(x), ptr(dst), ptr(dy), ptr(g), ptr(x), a, b, c) }
}

func sumOf(f func(n int, x *float32) float32) func(x []float32) float32 {
	return func(x []float32) float32 { return f(len(x), ptr(x)) }
}

func sumSquaresOf(f func(n int, x *float32) float64) func(x []float32) float64 {
	return func(x []float32) float64 { return f(len(x), ptr(x)) }
}

func dotOf(f func(n int, x, y *float32) float32) func(x, y []float32) float32 {
	return func(x, y []float32) float32 { return f(len(x), ptr(x), ptr(y)) }
}

func dot3Of(f func(n int, x, y, z *float32) float32) func(x, y, z []float32) float32 {
	return func(x, y, z []float32) float32 { return f(len(x), ptr(x), ptr(y), ptr(z)) }
}

func expSumOf(f func(n int, dst, x *float32, shift float32) float32) func(dst, x []float32, shift float32) float32 {
	return func(dst, x []float32, shift float32) float32 { return f(len(x), ptr(dst), ptr(x), shift) }
}

// microFunc is one micro-kernel; strides are in bytes.
type microFunc = func(kc int, a *float32, ars, acs int, b *float32, bs int, c *float32, ldc int, acc, with int, next *float32, ldn, rows int)

// microOf takes the kernels of 1, 2, … rows for one vector of columns, and for two.
func microOf(lanes int, one, two []microFunc) microKernel {
	return func(rows, cols, kc int, a []float32, ars, acs int, b []float32, bs int, c []float32, ldc int, acc bool, ask asked) {
		table, add := two, 0
		if cols <= lanes {
			table = one
		}
		if acc {
			add = 1
		}
		next := &c[0]
		if ask.rows == 0 {
			ask.rows, ask.ld = 1, 0
		} else {
			next = &ask.next[0]
		}
		table[rows-1](kc, &a[0], 4*ars, 4*acs, &b[0], 4*bs, &c[0], 4*ldc, add, bytesApart(c, ask.with), next, 4*ask.ld, ask.rows)
	}
}

// bytesApart is how far with lies from c, 0 for nil.
func bytesApart(c, with []float32) int {
	if len(with) == 0 {
		return 0
	}
	return int(uintptr(unsafe.Pointer(&with[0])) - uintptr(unsafe.Pointer(&c[0])))
}

// addRowsOf, also for gradients, and reluRowsOf are for assembly with strides in bytes.
func addRowsOf(f func(rows int, z *float32, ldz int, o *float32, ldo int)) func(rows int, z []float32, ldz int, o []float32, ldo int) {
	return func(rows int, z []float32, ldz int, o []float32, ldo int) { f(rows, &z[0], 4*ldz, &o[0], 4*ldo) }
}

func reluRowsOf(f func(rows int, z *float32, ldz int)) func(rows int, z []float32, ldz int) {
	return func(rows int, z []float32, ldz int) { f(rows, &z[0], 4*ldz) }
}

// packFunc packs kc rows of values; ld is in bytes.
type packFunc = func(kc int, src *float32, ld int, dst *float32)

// packTOf is for assembly that wants kc to be a multiple of 8.
func packTOf(rows int, f packFunc) func(kc int, src []float32, ld int, dst []float32) {
	return func(kc int, src []float32, ld int, dst []float32) {
		whole := kc &^ 7
		if whole > 0 {
			f(whole, &src[0], 4*ld, &dst[0])
		}
		for p := whole; p < kc; p++ {
			for i := range rows {
				dst[p*rows+i] = src[i*ld+p]
			}
		}
	}
}

// packOf is for assembly that packs nr columns, and mr.
func packOf(nr int, columns packFunc, mr int, rows packFunc) func(kc, width int, src []float32, ld int, dst []float32) {
	return func(kc, width int, src []float32, ld int, dst []float32) {
		switch {
		case kc == 0:
		case width == nr:
			columns(kc, &src[0], 4*ld, &dst[0])
		case width == mr:
			rows(kc, &src[0], 4*ld, &dst[0])
		default:
			packGeneric(kc, width, src, ld, dst)
		}
	}
}

// packNarrowOf is for assembly that packs nr columns, and any number up to 16.
func packNarrowOf(nr int, columns packFunc, narrow func(kc, width int, src *float32, ld int, dst *float32)) func(kc, width int, src []float32, ld int, dst []float32) {
	return func(kc, width int, src []float32, ld int, dst []float32) {
		switch {
		case kc == 0:
		case width == nr:
			columns(kc, &src[0], 4*ld, &dst[0])
		default:
			narrow(kc, width, &src[0], 4*ld, &dst[0])
		}
	}
}

// packPanelsOf is for assembly for panels of nr columns, and for others, of mr.
func packPanelsOf(nr int, columns, rows func(kc, panels int, src *float32, ld int, dst *float32, apart int)) func(kc, panels, width int, src []float32, ld int, dst []float32) {
	return func(kc, panels, width int, src []float32, ld int, dst []float32) {
		f := rows
		if width == nr {
			f = columns
		}
		if kc > 0 && panels > 0 {
			f(kc, panels, &src[0], 4*ld, &dst[0], 4*width*kc)
		}
	}
}

func touchOf(f func(lines int, x *byte)) func(b []byte) {
	return func(b []byte) {
		if lines := len(b) / 64; lines > 0 {
			f(lines, &b[0])
		}
	}
}

// gemvOf is for assembly that adds groups of rows of a multiple of the lanes. Short rows of
// what lies in memory are added one after the other, which walks through it in one line.
func gemvOf(lanes int, f gemvFunc[float32], axpy func(n int, y, x *float32, a float32)) func(y, x, b []float32, ldb int, follows bool) {
	return func(y, x, b []float32, ldb int, follows bool) {
		groups := len(x) / gemvRows
		short := 4*ldb >= narrowRow && 4*ldb < shortRow && 4*ldb*len(x) > gemvCached
		if len(y) < lanes || short {
			groups = 0
		}
		if groups > 0 {
			n := len(y) &^ (lanes - 1)
			if n < len(y) {
				gemvLast(lanes, f, groups, y, x, b, ldb)
			}
			runGemv(f, groups, n, lanes, lanes, y, x, b, ldb, follows)
		}
		for p := gemvRows * groups; p < len(x) && len(y) > 0; p++ {
			axpy(len(y), &y[0], &b[p*ldb], x[p])
		}
	}
}

// gemvLast adds the groups to the columns behind the last whole vector, together with those
// before them that fill a vector, which are then put back.
func gemvLast(lanes int, f gemvFunc[float32], groups int, y, x, b []float32, ldb int) {
	j := len(y) - lanes
	var before [16]float32
	n := copy(before[:], y[j:len(y)&^(lanes-1)])
	runGemv(f, groups, lanes, lanes, lanes, y[j:], x, b[j:], ldb, false)
	copy(y[j:], before[:n])
}

type scanForwardFunc = func(steps int, delta, u, y *float32, ld, ahead int, b, c *float32, bs int, a2, h, skip *float32)

// scanForwardOf is for 8, 16 and 32 states; others are run by the portable form.
func scanForwardOf(n8, n16, n32 scanForwardFunc) func(n, steps int, s scanBlock) {
	return func(n, steps int, s scanBlock) {
		var run scanForwardFunc
		switch n {
		case 8:
			run = n8
		case 16:
			run = n16
		case 32:
			run = n32
		default:
			scanForwardGeneric(n, steps, s)
			return
		}
		if steps > 0 {
			run(steps, &s.delta[0], &s.u[0], &s.y[0], 4*s.ld, 4*ScanChunk*s.ld, &s.b[0], &s.c[0], 4*s.bs, &s.a2[0], &s.h[0], &s.skip[0])
		}
	}
}

type scanBackwardFunc = func(steps int, delta, u, dy, dDelta, dU *float32, ld, ahead int, b, c *float32, bs int, a2, carry, dA, skip, dSkip, h, hist, decay, dBC *float32)

func scanBackwardOf(n8, n16, n32 scanBackwardFunc) func(n, steps int, s scanBlock) {
	return func(n, steps int, s scanBlock) {
		var run scanBackwardFunc
		switch n {
		case 8:
			run = n8
		case 16:
			run = n16
		case 32:
			run = n32
		default:
			scanBackwardGeneric(n, steps, s)
			return
		}
		if steps > 0 {
			decay := s.hist[(steps+1)*n*active.scanLanes:]
			run(steps, &s.delta[0], &s.u[0], &s.dy[0], &s.dDelta[0], &s.dU[0], 4*s.ld, -4*ScanChunk*s.ld, &s.b[0], &s.c[0], 4*s.bs,
				&s.a2[0], &s.carry[0], &s.dA[0], &s.skip[0], &s.dSkip[0], &s.h[0], &s.hist[0], &decay[0], &s.dBC[0])
		}
	}
}

// laneSumsOf is for assembly that takes 8 sums at a time.
func laneSumsOf(f func(n int, dst, src *float32)) func(dst, src []float32) {
	return func(dst, src []float32) {
		n := len(dst) &^ 7
		if n > 0 {
			f(n, &dst[0], &src[0])
		}
		laneSumsGeneric(dst[n:], src[8*n:])
	}
}

// convBlock is the number of rows that are gone down at a time, which stay in L1 also where
// they lie a power of two apart.
const convBlock = 8

// convRowsOf is for 4 taps; others are run by the portable form.
func convRowsOf(f func(rows, width int, x *float32, ld int, w *float32, ldw int, bias, y *float32, ldy int)) func(rows, taps, width int, x []float32, ld int, w, bias, y []float32, ldy int) {
	return func(rows, taps, width int, x []float32, ld int, w, bias, y []float32, ldy int) {
		if taps != 4 || width == 0 {
			convRowsGeneric(rows, taps, width, x, ld, w, bias, y, ldy)
			return
		}
		for t := 0; t < rows; t += convBlock {
			f(min(convBlock, rows-t), width, &x[t*ld], 4*ld, &w[0], 4*width, &bias[0], &y[t*ldy], 4*ldy)
		}
	}
}

// convWeightsOf is for 4 taps; others are run by the portable form.
func convWeightsOf(f func(rows, width int, x *float32, ld int, dy *float32, ldy int, part *float32, ldp int)) func(rows, taps, width int, x []float32, ld int, dy []float32, ldy int, part []float32, ldp int) {
	return func(rows, taps, width int, x []float32, ld int, dy []float32, ldy int, part []float32, ldp int) {
		if taps != 4 || width == 0 {
			convWeightsGeneric(rows, taps, width, x, ld, dy, ldy, part, ldp)
			return
		}
		for t := 0; t < rows; t += convBlock {
			f(min(convBlock, rows-t), width, &x[t*ld], 4*ld, &dy[t*ldy], 4*ldy, &part[0], 4*ldp)
		}
	}
}

func adamWOf(f func(n int, p, m, v, g, c *float32)) func(p, m, v, g []float32, c *adamWConsts) {
	return func(p, m, v, g []float32, c *adamWConsts) { f(len(g), ptr(p), ptr(m), ptr(v), ptr(g), &c.gradScale) }
}

// narrowOf is for assembly that wants a multiple of the lanes.
func narrowOf(lanes int, f func(n int, dst *uint16, x *float32)) func(dst []uint16, x []float32) {
	return func(dst []uint16, x []float32) {
		n := len(x) &^ (lanes - 1)
		if n > 0 {
			f(n, &dst[0], &x[0])
		}
		narrowGeneric(dst[n:], x[n:])
	}
}

// widenOf is for assembly that wants a multiple of the lanes.
func widenOf(lanes int, f func(n int, dst *float32, x *uint16)) func(dst []float32, x []uint16) {
	return func(dst []float32, x []uint16) {
		n := len(x) &^ (lanes - 1)
		if n > 0 {
			f(n, &dst[0], &x[0])
		}
		widenGeneric(dst[n:], x[n:])
	}
}

// dotFunc is one micro-kernel of bfloat16 pairs; strides are in bytes.
type dotFunc = func(kc int, a *uint16, ars, acs int, b *uint16, bs int, c *float32, ldc int, acc, with int, next *float32, ldn, rows int)

// dotMicroOf is microOf for pairs.
func dotMicroOf(lanes int, one, two []dotFunc) func(rows, cols, kc int, a []uint16, ars, acs int, b []uint16, bs int, c []float32, ldc int, acc bool, ask asked) {
	return func(rows, cols, kc int, a []uint16, ars, acs int, b []uint16, bs int, c []float32, ldc int, acc bool, ask asked) {
		table, add := two, 0
		if cols <= lanes {
			table = one
		}
		if acc {
			add = 1
		}
		next := &c[0]
		if ask.rows == 0 {
			ask.rows, ask.ld = 1, 0
		} else {
			next = &ask.next[0]
		}
		table[rows-1](kc, &a[0], 2*ars, 2*acs, &b[0], 2*bs, &c[0], 4*ldc, add, bytesApart(c, ask.with), next, 4*ask.ld, ask.rows)
	}
}

func packPairsOf(f func(kc, width int, src *uint16, ld int, dst *uint16, bs int)) func(kc, width int, src []uint16, ld int, dst []uint16, bs int) {
	return func(kc, width int, src []uint16, ld int, dst []uint16, bs int) {
		f(kc, width, &src[0], 2*ld, &dst[0], 2*bs)
	}
}

// packTPairsOf moves pairs as packTOf moves values.
func packTPairsOf(rows int, f packFunc) func(kc int, src []uint16, ld int, dst []uint16) {
	return func(kc int, src []uint16, ld int, dst []uint16) {
		whole := kc &^ 7
		if whole > 0 {
			f(whole, (*float32)(unsafe.Pointer(&src[0])), 2*ld, (*float32)(unsafe.Pointer(&dst[0])))
		}
		for p := whole; p < kc; p++ {
			for i := range rows {
				copy(dst[2*(p*rows+i):2*(p*rows+i)+2], src[i*ld+2*p:])
			}
		}
	}
}

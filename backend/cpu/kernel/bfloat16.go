package kernel

import (
	"math"
	"unsafe"
)

// A bfloat16 value is the upper half of a float32: sign, 8 bits of exponent, 7 of fraction.
// Kernels hold it as uint16.

// ToBFloat16 sets dst = x rounded to nearest, ties to even: a relative error of at most 2^-8.
// What is too large becomes infinite, NaN stays NaN. The result is the same at every level.
func ToBFloat16(p *Pool, dst []uint16, x []float32) {
	need("ToBFloat16", "dst", len(dst), len(x))
	t := halfTasks.get()
	defer halfTasks.put(t)
	t.half, t.full, t.narrow = dst, x, true
	p.RunTask(ceilDiv(len(x), elementBlock), t)
}

// FromBFloat16 sets dst = x, which is exact.
func FromBFloat16(p *Pool, dst []float32, x []uint16) {
	need("FromBFloat16", "dst", len(dst), len(x))
	t := halfTasks.get()
	defer halfTasks.put(t)
	t.half, t.full = x, dst
	p.RunTask(ceilDiv(len(x), elementBlock), t)
}

var halfTasks freeList[halfTask]

// halfTask converts between float32 and bfloat16.
type halfTask struct {
	half   []uint16
	full   []float32
	narrow bool
}

func (t *halfTask) Do(item, _ int) {
	i := item * elementBlock
	if t.narrow {
		j := min(i+elementBlock, len(t.full))
		active.narrow(t.half[i:j], t.full[i:j])
		return
	}
	j := min(i+elementBlock, len(t.half))
	active.widen(t.full[i:j], t.half[i:j])
}

// narrowGeneric: dst = x rounded to bfloat16. The carry of rounding runs into the exponent,
// which is right; NaN keeps its sign and gets the quiet bit.
func narrowGeneric(dst []uint16, x []float32) {
	for i, v := range x {
		b := math.Float32bits(v)
		if v != v {
			dst[i] = uint16(b>>16) | 1<<6
			continue
		}
		dst[i] = uint16((b + 0x7fff + b>>16&1) >> 16)
	}
}

// widenGeneric: dst = x.
func widenGeneric(dst []float32, x []uint16) {
	for i, v := range x {
		dst[i] = math.Float32frombits(uint32(v) << 16)
	}
}

// pairs sees float32 scratch as bfloat16 values, two in the place of one.
func pairs(s []float32) []uint16 {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*uint16)(unsafe.Pointer(&s[0])), 2*len(s))
}

// dotKernels are products of bfloat16 pairs, which some processors of a level have.
type dotKernels struct {
	micro func(rows, cols, kc int, a []uint16, ars, acs int, b []uint16, bs int, c []float32, ldc int, acc bool, ask asked)
	// packPairs puts rows of up to 16 values side by side, pair by pair.
	packPairs func(kc, width int, src []uint16, ld int, dst []uint16, bs int)
	// packT turns nr rows of pairs into columns.
	packT func(kc int, src []uint16, ld int, dst []uint16)
}

// BFloat16Dot tells whether the level in use multiplies bfloat16 in hardware. Products of
// bfloat16 then have other bits than on a processor of the same level without it.
func BFloat16Dot() bool { return active.dots != nil }

// dotPairsGeneric is what the hardware's micro-kernel computes, up to rounding: kc pairs,
//
//	c[i,j] (+)= Σ_p a[i,2p]·b[2p,j] + a[i,2p+1]·b[2p+1,j]
//
// with the pair a[i,2p] at a[i*ars+p*acs] and b[2p,j] at b[p*bs+2j].
func dotPairsGeneric(rows, cols, kc int, a []uint16, ars, acs int, b []uint16, bs int, c []float32, ldc int, acc bool) {
	value := func(v uint16) float32 { return math.Float32frombits(uint32(v) << 16) }
	for i := range rows {
		for j := range cols {
			var s float32
			for p := range kc {
				x, y := a[i*ars+p*acs:], b[p*bs+2*j:]
				s += value(x[1])*value(y[1]) + value(x[0])*value(y[0])
			}
			if acc {
				s += c[i*ldc+j]
			}
			c[i*ldc+j] = s
		}
	}
}

// packPairsGeneric: dst[p*bs+2i] = src[2p*ld+i], dst[p*bs+2i+1] = src[(2p+1)*ld+i], or 0
// behind the last row.
func packPairsGeneric(kc, width int, src []uint16, ld int, dst []uint16, bs int) {
	for p := range ceilDiv(kc, 2) {
		for i := range width {
			dst[p*bs+2*i], dst[p*bs+2*i+1] = src[2*p*ld+i], 0
			if 2*p+1 < kc {
				dst[p*bs+2*i+1] = src[(2*p+1)*ld+i]
			}
		}
	}
}

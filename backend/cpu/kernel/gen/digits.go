package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Products of one row with int8 in whole numbers, for processors with the VNNI part of
// AVX-512: they multiply four rows of bytes at once, unsigned by signed ones. A float32 is
// written as a number of 24 bits with three signed digits of a byte each, times a power of
// two that 16 of them share, so that all digits of a vector of four rows take three
// instructions where float32 takes a shuffle, a conversion and a multiply-add for each row.
const (
	digitPlanes = 3
	digitRows   = 16 // of a group
	// Of the memory of a group: digits of a plane behind one another, the highest first, then
	// for each plane what sums begin with, and the power of two.
	digitSums  = digitPlanes * digitRows
	digitUnit  = digitSums + 4*digitPlanes
	digitBytes = digitUnit + 4
)

func digitKernels() {
	digits()
	gemvDigits()
	orderInt8()
}

// digits finds the power of two from the largest of a group: a value is at most 2 - 1/64 of
// them, so that its highest digit fits. It is Inf when a value is Inf or NaN, and so are then
// the sums.
func digits() {
	begin("Digits", "func(rows int, x *float32, to *byte)", fmt.Sprintf(
		"writes x[0], … x[rows-1] as groups of %d for GemvDigits, %d bytes each; rows above 0.", digitRows, digitBytes))
	rows, x, to := arg("rows"), arg("x"), arg("to")
	infinite, carry := pin(bits("infinite", 0x7f800000)), pin(bits("carry", 0x20000))
	magnitude, least := pin(bits("magnitude", 0x7fffffff)), pin(bits("leastUnit", 32<<23))
	half, offset := pin(bits("halfDigit", 0x80)), XMM()
	VPBROADCASTB(offsetByte(), offset)
	Label("group")
	count := GP64()
	MOVQ(U32(digitRows), count)
	CMPQ(rows, count)
	CMOVQLT(rows, count)
	v := loadTail(Mem{Base: x}, firstLanes(count))
	unit := ZMM()
	VPANDD(magnitude, v, unit)
	largest := joined(unit, func(a, b Op, c VecVirtual) { VPMAXUD(a, b, c) })
	VPBROADCASTD(largest.AsX(), unit)
	VPMAXUD(least, unit, unit)
	VPMINUD(infinite, unit, unit)
	VPADDD(carry, unit, unit)
	VPANDD(infinite, unit, unit)
	// 2²²/unit has the exponent 2·127+22 less than that of unit.
	q := ZMM()
	VMOVDQU32(bits("inverseUnit", (2*127+22)<<23), q)
	VPSUBD(unit, q, q)
	VMULPS(q, v, q)
	VCVTPS2DQ(q, q)
	planes := []VecVirtual{XMM(), XMM(), XMM()}
	for i := digitPlanes - 1; i >= 0; i-- {
		VPMOVDB(q, planes[i])
		VMOVDQU(planes[i], Mem{Base: to, Disp: digitRows * i})
		if i > 0 {
			VPADDD(half, q, q)
			VPSRAD(U8(8), q, q)
		}
	}
	// Bytes of the matrix are 128 too large: that much less is what sums begin with.
	for _, p := range planes {
		s := XMM()
		VPXOR(s, s, s)
		VPDPBUSD(p, offset, s)
		VMOVDQA(s, p)
	}
	VPHADDD(planes[1], planes[0], planes[0])
	VPHADDD(planes[2], planes[2], planes[2])
	VPHADDD(planes[2], planes[0], planes[0])
	sums := XMM()
	VPXOR(sums, sums, sums)
	VPSUBD(planes[0], sums, sums)
	VMULPS(constant("digit", 1.0/(1<<22)), unit, unit)
	VPBLENDD(U8(8), unit.AsX(), sums, sums)
	VMOVDQU(sums, Mem{Base: to, Disp: digitSums})
	ADDQ(U8(4*digitRows), x)
	ADDQ(U8(digitBytes), to)
	SUBQ(count, rows)
	JNZ(LabelRef("group"))
	end()
}

func offsetByte() Mem { return bits("offset", 0x80808080) }

// gemvDigits interleaves bytes of four rows, which leaves columns where int8Part leaves them.
func gemvDigits() {
	const step = 64
	begin("GemvDigits", "func(groups, quads, n int, y *float32, digits *byte, b *int8, ldb, start, ahead, parts, across, skip int)", fmt.Sprintf(
		"adds 4·quads rows of each of the groups that Digits wrote to y, whose columns are in the order of the bytes of four vectors (OrderInt8). quads is at most %d, n a multiple of %d, all are above 0, ldb in bytes. What is asked of memory is told as for Gemv, in parts of %d bytes.",
		digitRows/4, step, 4*bytes))
	groups, quads, digits, b, ldb := arg("groups"), arg("quads"), arg("digits"), arg("b"), arg("ldb")
	a, offset := newAsker(b, 4), pin(offsetByte())
	a.askAhead("group")
	sums, low, high := registers(digitPlanes), vector(), vector()
	for i := range sums {
		VPBROADCASTD(Mem{Base: digits, Disp: digitSums + 4*i}, sums[i])
	}
	VBROADCASTSS(Mem{Base: digits, Disp: digitUnit}, low)
	VMULPS(constant("256", 256), low, high)
	y, n, at := arg("y"), arg("n"), GP64()
	MOVQ(b, at)
	stride3 := GP64()
	LEAQ(Mem{Base: ldb, Index: ldb, Scale: 2}, stride3)
	Label("columns")
	acc := make([][]VecVirtual, digitPlanes)
	for i := range acc {
		acc[i] = registers(4)
		for _, r := range acc[i] {
			VMOVDQA32(sums[i], r)
		}
	}
	row, quad := GP64(), GP64()
	MOVQ(at, row)
	XORQ(quad, quad)
	Label("quad")
	a.ask("asked")
	w := registers(4)
	for i, m := range []Mem{{Base: row}, {Base: row, Index: ldb, Scale: 1}, {Base: row, Index: ldb, Scale: 2}, {Base: row, Index: stride3, Scale: 1}} {
		VPXORD(m, offset, w[i])
	}
	pairs, four := registers(4), registers(4)
	for i := range 2 { // rows 2i and 2i+1
		VPUNPCKLBW(w[2*i+1], w[2*i], pairs[2*i])
		VPUNPCKHBW(w[2*i+1], w[2*i], pairs[2*i+1])
	}
	for i := range 2 { // eight columns of each sixteen
		VPUNPCKLWD(pairs[2+i], pairs[i], four[2*i])
		VPUNPCKHWD(pairs[2+i], pairs[i], four[2*i+1])
	}
	for i := range acc {
		x := vector()
		VPBROADCASTD(Mem{Base: digits, Index: quad, Scale: 4, Disp: digitRows * i}, x)
		for c := range four {
			VPDPBUSD(x, four[c], acc[i][c])
		}
	}
	LEAQ(Mem{Base: row, Index: ldb, Scale: 4}, row)
	INCQ(quad)
	CMPQ(quad, quads)
	JLT(LabelRef("quad"))
	for c := range 4 {
		VPSLLD(U8(8), acc[0][c], acc[0][c])
		VPADDD(acc[1][c], acc[0][c], acc[0][c])
		VCVTDQ2PS(acc[0][c], acc[0][c])
		VCVTDQ2PS(acc[2][c], acc[2][c])
		VFMADD213PS(Mem{Base: y, Disp: bytes * c}, low, acc[2][c])
		VFMADD231PS(acc[0][c], high, acc[2][c])
		VMOVUPS(acc[2][c], Mem{Base: y, Disp: bytes * c})
	}
	ADDQ(U32(4*bytes), y)
	ADDQ(U8(step), at)
	SUBQ(U8(step), n)
	JNZ(LabelRef("columns"))
	ADDQ(U8(digitBytes), digits)
	SUBQ(at, row) // at is a step further than the columns whose last row was left behind
	LEAQ(Mem{Base: b, Index: row, Scale: 1, Disp: step}, b)
	DECQ(groups)
	JNZ(LabelRef("group"))
	end()
}

// orderInt8 is what GemvDigits leaves to do, once for all groups.
func orderInt8() {
	begin("OrderInt8", "func(n int, y *float32)", "puts columns in the order of the bytes of four vectors into their own; n is a multiple of 64, above 0.")
	y, n := arg("y"), arg("n")
	Label("loop")
	v := registers(4)
	for i := range v {
		VMOVUPS(Mem{Base: y, Disp: bytes * i}, v[i])
	}
	for i, r := range int8Restored(v) {
		VMOVUPS(r, Mem{Base: y, Disp: bytes * i})
	}
	ADDQ(U32(4*bytes), y)
	SUBQ(U8(64), n)
	JNZ(LabelRef("loop"))
	end()
}

package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func gemmKernels() {
	for r := 1; r <= 6; r++ {
		micro(r)
	}
}

// micro is the rows × 16 block of a product. All sums stay in registers: for 6
// rows 12 accumulators, 2 for B, 2 for A. Strides in bytes.
func micro(rows int) {
	name := fmt.Sprintf("avxMicro%d", rows)
	begin(name, "func(kc int, a *float32, ars, acs int, b *float32, bs int, c *float32, ldc int, acc int)",
		fmt.Sprintf("is microGeneric for %d rows; strides in bytes.", rows))
	kc, a0, ars, acs := arg("kc"), arg("a"), arg("ars"), arg("acs")
	b, bs, c0, ldc := arg("b"), arg("bs"), arg("c"), arg("ldc")
	a3, c3 := GP64(), GP64()
	if rows > 3 {
		LEAQ(Mem{Base: a0, Index: ars, Scale: 2}, a3)
		ADDQ(ars, a3)
		LEAQ(Mem{Base: c0, Index: ldc, Scale: 2}, c3)
		ADDQ(ldc, c3)
	}
	row := func(first, fourth, stride Register, i int) Mem {
		m := Mem{Base: first}
		if i >= 3 {
			m.Base = fourth
		}
		if i%3 > 0 {
			m.Index, m.Scale = stride, uint8(i%3)
		}
		return m
	}
	var sum [6][2]VecVirtual
	for i := range rows {
		for j := range sum[i] {
			sum[i][j] = YMM()
			VXORPS(sum[i][j], sum[i][j], sum[i][j])
		}
		PREFETCHT0(row(c0, c3, ldc, i))
	}
	b0, b1 := YMM(), YMM()
	t := [2]VecVirtual{YMM(), YMM()}
	step := func() {
		VMOVUPS(Mem{Base: b}, b0)
		VMOVUPS(Mem{Base: b, Disp: 32}, b1)
		ADDQ(bs, b)
		for i := range rows {
			VBROADCASTSS(row(a0, a3, ars, i), t[i&1])
			VFMADD231PS(b0, t[i&1], sum[i][0])
			VFMADD231PS(b1, t[i&1], sum[i][1])
		}
		ADDQ(acs, a0)
		if rows > 3 {
			ADDQ(acs, a3)
		}
	}
	k4 := GP64()
	MOVQ(kc, k4)
	SHRQ(U8(2), k4)
	JZ(LabelRef("rest"))
	Label("four")
	for range 4 {
		step()
	}
	DECQ(k4)
	JNZ(LabelRef("four"))
	Label("rest")
	ANDQ(U8(3), kc)
	JZ(LabelRef("store"))
	Label("one")
	step()
	DECQ(kc)
	JNZ(LabelRef("one"))
	Label("store")
	acc := arg("acc")
	TESTQ(acc, acc)
	JZ(LabelRef("put"))
	for i := range rows {
		m := row(c0, c3, ldc, i)
		VADDPS(m, sum[i][0], sum[i][0])
		m.Disp = 32
		VADDPS(m, sum[i][1], sum[i][1])
	}
	Label("put")
	for i := range rows {
		m := row(c0, c3, ldc, i)
		VMOVUPS(sum[i][0], m)
		m.Disp = 32
		VMOVUPS(sum[i][1], m)
	}
	end()
}

// packTranspose turns 16 rows into columns, 8 × 8 values at a time.
func packTranspose() {
	begin("avxPackT", "func(kc int, src *float32, ld int, dst *float32)", "is packTGeneric for kc a multiple of 8, above 0; ld in bytes.")
	k, src, ld, dst := arg("kc"), arg("src"), arg("ld"), arg("dst")
	SHRQ(U8(3), k)
	lower := GP64() // row 8
	MOVQ(ld, lower)
	SHLQ(U8(3), lower)
	ADDQ(src, lower)
	ld3 := GP64()
	LEAQ(Mem{Base: ld, Index: ld, Scale: 2}, ld3)
	Label("block")
	for half, base := range []Register{src, lower} {
		fifth := GP64()
		LEAQ(Mem{Base: base, Index: ld, Scale: 4}, fifth)
		var r, t, q [8]VecVirtual
		for i := range r {
			m := Mem{Base: base}
			if i >= 4 {
				m.Base = fifth
			}
			switch i % 4 {
			case 1, 2:
				m.Index, m.Scale = ld, uint8(i%4)
			case 3:
				m.Index, m.Scale = ld3, 1
			}
			r[i] = YMM()
			VMOVUPS(m, r[i])
		}
		for i := 0; i < 8; i += 2 {
			t[i], t[i+1] = YMM(), YMM()
			VUNPCKLPS(r[i+1], r[i], t[i])
			VUNPCKHPS(r[i+1], r[i], t[i+1])
		}
		for i := range q {
			q[i] = YMM()
			lo := i / 4 * 4
			VSHUFPS(U8([2]uint8{0x44, 0xEE}[i%2]), t[lo+2+i%4/2], t[lo+i%4/2], q[i])
		}
		for i := range 4 {
			for side, sel := range []uint8{0x20, 0x31} {
				o := YMM()
				VPERM2F128(U8(sel), q[i+4], q[i], o)
				VMOVUPS(o, Mem{Base: dst, Disp: (i+4*side)*64 + half*32})
			}
		}
	}
	ADDQ(U8(32), src)
	ADDQ(U8(32), lower)
	ADDQ(U32(512), dst)
	DECQ(k)
	JNZ(LabelRef("block"))
	end()
}

// packRows copies rows of 16 or 6 values that lie ld apart, four rows at a time.
func packRows(width int) {
	begin(fmt.Sprintf("avxPack%d", width), "func(kc int, src *float32, ld int, dst *float32)",
		fmt.Sprintf("is packGeneric for %d columns; ld in bytes.", width))
	k, src, ld, dst := arg("kc"), arg("src"), arg("ld"), arg("dst")
	row := func(i int) {
		to := Mem{Base: dst, Disp: 4 * width * i}
		if width == 16 {
			a, b := YMM(), YMM()
			VMOVUPS(Mem{Base: src}, a)
			VMOVUPS(Mem{Base: src, Disp: 32}, b)
			VMOVUPS(a, to)
			VMOVUPS(b, to.Offset(32))
		} else {
			a, b := XMM(), XMM()
			VMOVUPS(Mem{Base: src}, a)
			VMOVSD(Mem{Base: src, Disp: 16}, b)
			VMOVUPS(a, to)
			VMOVSD(b, to.Offset(16))
		}
		ADDQ(ld, src)
	}
	Label("four")
	CMPQ(k, U32(4))
	JLT(LabelRef("rest"))
	for i := range 4 {
		row(i)
	}
	ADDQ(U32(16*width), dst)
	SUBQ(U8(4), k)
	JMP(LabelRef("four"))
	Label("rest")
	TESTQ(k, k)
	JZ(LabelRef("done"))
	row(0)
	ADDQ(U32(4*width), dst)
	DECQ(k)
	JMP(LabelRef("rest"))
	Label("done")
	end()
}

// gemv8 adds 8 rows at once, so that y is read and written once for 8 rows and
// memory sees 8 streams.
func gemv8() {
	begin("avxGemv8", "func(n int, y, x, b *float32, ldb int)", "adds x[0]·b[0,:] … x[7]·b[7,:] to y, in that order, for n a multiple of 8, above 0; ldb in bytes.")
	n, y, x, b, ld := arg("n"), arg("y"), arg("x"), arg("b"), arg("ldb")
	b4, ld3 := GP64(), GP64()
	LEAQ(Mem{Base: b, Index: ld, Scale: 4}, b4)
	LEAQ(Mem{Base: ld, Index: ld, Scale: 2}, ld3)
	var v [8]VecVirtual
	for i := range v {
		v[i] = YMM()
		VBROADCASTSS(Mem{Base: x, Disp: 4 * i}, v[i])
	}
	SHRQ(U8(3), n)
	Label("loop")
	s := YMM()
	VMOVUPS(Mem{Base: y}, s)
	for i := range v {
		m := Mem{Base: b}
		if i >= 4 {
			m.Base = b4
		}
		switch i % 4 {
		case 1, 2:
			m.Index, m.Scale = ld, uint8(i%4)
		case 3:
			m.Index, m.Scale = ld3, 1
		}
		VFMADD231PS(m, v[i], s)
	}
	VMOVUPS(s, Mem{Base: y})
	ADDQ(U8(32), y)
	ADDQ(U8(32), b)
	ADDQ(U8(32), b4)
	DECQ(n)
	JNZ(LabelRef("loop"))
	end()
}

// peak is the fastest loop there is: 24 independent multiply-adds, no memory.
func peak() {
	begin("avxPeak", "func(iterations int)", "does 384 floating-point operations an iteration, to measure the machine.")
	n := arg("iterations")
	var acc [12]VecVirtual
	for i := range acc {
		acc[i] = YMM()
		VXORPS(acc[i], acc[i], acc[i])
	}
	a := YMM()
	VXORPS(a, a, a)
	Label("loop")
	for range 2 {
		for i := range acc {
			VFMADD231PS(a, a, acc[i])
		}
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	end()
}

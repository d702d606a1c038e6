package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// narrowType is an element that takes less than four bytes, and how a vector of them becomes
// float32.
type narrowType struct {
	name, goType string
	size         int
	load         func(m Mem, to VecVirtual)
}

var narrowTypes = []narrowType{
	{"BF16", "uint16", 2, func(m Mem, to VecVirtual) {
		VPMOVZXWD(m, to)
		VPSLLD(U8(16), to, to)
	}},
	{"Int8", "int8", 1, func(m Mem, to VecVirtual) {
		VPMOVSXBD(m, to)
		VCVTDQ2PS(to, to)
	}},
}

func narrowKernels() {
	for _, t := range narrowTypes {
		narrowGemv8(t)
		narrowDot(t)
	}
	narrowWiden(narrowTypes[1]) // of bfloat16 it is widen
}

// narrowGemv8 is gemv8 for a narrow matrix. Rows are so short that the processor does not
// see where the next ones begin: they are fetched while these are used.
func narrowGemv8(t narrowType) {
	begin("Gemv8"+t.name, "func(n int, y, x *float32, b *"+t.goType+", ldb int)",
		"adds x[0]·b[0,:] … x[7]·b[7,:] to y, in that order, for n a multiple of the lanes, above 0; ldb in bytes. The 8 rows behind are fetched.")
	n, y, x, b := arg("n"), arg("y"), arg("x"), rowsOf("b", "ldb", 8)
	ahead := GP64()
	MOVQ(b.stride, ahead)
	SHLQ(U8(3), ahead)
	v := registers(8)
	for i := range v {
		VBROADCASTSS(Mem{Base: x, Disp: 4 * i}, v[i])
	}
	step := lanes * t.size // bytes of a row
	pass := func(disp int) {
		s := vector()
		VMOVUPS(Mem{Base: y}, s)
		for i := range v {
			w := vector()
			t.load(b.at(i, disp), w)
			VFMADD231PS(w, v[i], s)
		}
		VMOVUPS(s, Mem{Base: y})
		ADDQ(U8(bytes), y)
	}
	// A line of each row at a time, with a line of one row after the other fetched.
	next := GP64()
	Label("line")
	CMPQ(n, U32(64/t.size))
	JLT(LabelRef("rest"))
	LEAQ(Mem{Base: b.base[0], Index: ahead, Scale: 1}, next)
	for disp := 0; disp < 64; disp += step {
		for range 8 * step / 64 {
			PREFETCHT0(Mem{Base: next})
			ADDQ(b.stride, next)
		}
		pass(disp)
	}
	b.advance(U8(64))
	SUBQ(U8(64/t.size), n)
	JMP(LabelRef("line"))
	Label("rest")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	Label("one")
	pass(0)
	b.advance(U8(step))
	SUBQ(U8(lanes), n)
	JNZ(LabelRef("one"))
	Label("done")
	end()
}

// narrowDot keeps four running vectors over runs of four.
func narrowDot(t narrowType) {
	begin("Dot"+t.name, "func(n int, x *float32, b *"+t.goType+") float32", "is dot"+t.name+"Generic for n a multiple of the lanes.")
	n, x, b := arg("n"), arg("x"), arg("b")
	acc := []VecVirtual{zeroed(), zeroed(), zeroed(), zeroed()}
	pass := func(count int) {
		for u := range count {
			w := vector()
			t.load(Mem{Base: b, Disp: lanes * t.size * u}, w)
			VFMADD231PS(Mem{Base: x, Disp: bytes * u}, w, acc[u])
		}
		ADDQ(U32(bytes*count), x)
		ADDQ(U32(lanes*t.size*count), b)
		SUBQ(U32(lanes*count), n)
	}
	Label("many")
	CMPQ(n, U32(4*lanes))
	JLT(LabelRef("one"))
	pass(4)
	JMP(LabelRef("many"))
	Label("one")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	pass(1)
	JMP(LabelRef("one"))
	Label("done")
	VADDPS(acc[1], acc[0], acc[0])
	VADDPS(acc[3], acc[2], acc[2])
	VADDPS(acc[2], acc[0], acc[0])
	foldLanes(acc[0], sumJoin)
	end()
}

// narrowWiden converts a vector at a time.
func narrowWiden(t narrowType) {
	begin("Widen"+t.name, "func(n int, dst *float32, b *"+t.goType+")", "is widen"+t.name+"Generic for n a multiple of the lanes, above 0.")
	n, dst, b := arg("n"), arg("dst"), arg("b")
	Label("loop")
	w := vector()
	t.load(Mem{Base: b}, w)
	VMOVUPS(w, Mem{Base: dst})
	ADDQ(U8(bytes), dst)
	ADDQ(U8(lanes*t.size), b)
	SUBQ(U8(lanes), n)
	JNZ(LabelRef("loop"))
	end()
}

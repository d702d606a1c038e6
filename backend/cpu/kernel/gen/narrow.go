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
	narrowRows(narrowTypes[0])
	for _, t := range narrowTypes {
		narrowColumns(t)
		narrowDot(t)
	}
	narrowWiden(narrowTypes[1]) // of bfloat16 it is widen
}

// narrowRows adds one row after the other, which walks through memory in one line: elements
// that are cheap to widen come faster so, although y is read and written for each row.
func narrowRows(t narrowType) {
	begin("Rows"+t.name, "func(rows, n int, y, x *float32, b *"+t.goType+", ldb int)",
		"adds x[p]·b[p,:] to y for p in [0, rows), in that order, for n a multiple of the lanes; rows and n above 0, ldb in bytes.")
	rows, n, y, x, b, ld := arg("rows"), arg("n"), arg("y"), arg("x"), arg("b"), arg("ldb")
	left, at, to, v := GP64(), GP64(), GP64(), vector()
	step := lanes * t.size
	pass := func(count int) {
		for u := range count {
			w, s := vector(), vector()
			t.load(Mem{Base: at, Disp: u * step}, w)
			VMOVUPS(Mem{Base: to, Disp: u * bytes}, s)
			VFMADD231PS(w, v, s)
			VMOVUPS(s, Mem{Base: to, Disp: u * bytes})
		}
		ADDQ(U32(count*step), at)
		ADDQ(U32(count*bytes), to)
		SUBQ(U32(count*lanes), left)
	}
	Label("row")
	VBROADCASTSS(Mem{Base: x}, v)
	MOVQ(b, at)
	MOVQ(y, to)
	MOVQ(n, left)
	Label("four")
	CMPQ(left, U32(4*lanes))
	JLT(LabelRef("rest"))
	pass(4)
	JMP(LabelRef("four"))
	Label("rest")
	TESTQ(left, left)
	JZ(LabelRef("next"))
	pass(1)
	JMP(LabelRef("rest"))
	Label("next")
	ADDQ(U8(4), x)
	ADDQ(ld, b)
	DECQ(rows)
	JNZ(LabelRef("row"))
	end()
}

// narrowColumns goes down the rows with the sums of a vector of columns in a register.
func narrowColumns(t narrowType) {
	begin("Columns"+t.name, "func(rows int, y, x *float32, b *"+t.goType+", ldb int)",
		"adds x[p]·b[p,:] to y for p in [0, rows), in that order, for as many columns as there are lanes; rows above 0, ldb in bytes.")
	rows, y, x, b, ld := arg("rows"), arg("y"), arg("x"), arg("b"), arg("ldb")
	s := vector()
	VMOVUPS(Mem{Base: y}, s)
	Label("row")
	w, v := vector(), vector()
	t.load(Mem{Base: b}, w)
	VBROADCASTSS(Mem{Base: x}, v)
	VFMADD231PS(w, v, s)
	ADDQ(U8(4), x)
	ADDQ(ld, b)
	DECQ(rows)
	JNZ(LabelRef("row"))
	VMOVUPS(s, Mem{Base: y})
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

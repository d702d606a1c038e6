package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// bfloat16Kernels emits conversions, and for AVX-512 the product of bfloat16 pairs.
func bfloat16Kernels() {
	narrow()
	widen()
	if !wide {
		return
	}
	for vectors := 1; vectors <= 2; vectors++ {
		for r := 1; r <= 14; r++ {
			begin(fmt.Sprintf("Dot%dx%d", r, vectors), microSignature("uint16"),
				fmt.Sprintf("is dotPairsGeneric for %d rows and %d columns; strides in bytes.", r, vectors*lanes))
			microBody(r, vectors, dotPairs)
		}
	}
	packPairs()
}

// dotPairs adds to each lane of sum the products of two pairs of bfloat16: VDPBF16PS, which
// the assembler does not know.
func dotPairs(x, y, sum Op) {
	id := func(o Op) uint32 { return uint32(o.(Physical).PhysicalIndex()) }
	src, first, dst := id(x), id(y), id(sum)
	// EVEX.512.F3.0F38.W0 52 /r; register bits beyond the third are stored inverted.
	p0 := 2 | (^dst>>4&1)<<4 | (^src>>3&1)<<5 | (^src>>4&1)<<6 | (^dst>>3&1)<<7
	p1 := 2 | 1<<2 | (^first&15)<<3
	p2 := (^first>>4&1)<<3 | 2<<5
	raw("LONG", U32(0x62|p0<<8|p1<<16|p2<<24))
	raw("WORD", U16(0x52|(0xc0|dst&7<<3|src&7)<<8))
}

func raw(opcode string, data Op) {
	Instruction(&ir.Instruction{Opcode: opcode, Operands: []Op{data}})
}

// packPairs puts pairs of rows of up to 16 values side by side. Masks keep out what is not
// there; an odd last row meets zeros.
func packPairs() {
	begin("PackPairs", "func(kc, width int, src *uint16, ld int, dst *uint16, bs int)", "is packPairsGeneric for width in [1, 16]; ld and bs in bytes.")
	k, width, src, ld, dst, bs := arg("kc"), arg("width"), arg("src"), arg("ld"), arg("dst"), arg("bs")
	mask := firstLanes(width)
	pair := func(second bool) {
		low := ZMM()
		y := YMM()
		VMOVDQU16_Z(Mem{Base: src}, mask, y)
		ADDQ(ld, src)
		VPMOVZXWD(y, low)
		if second {
			high := ZMM()
			y = YMM()
			VMOVDQU16_Z(Mem{Base: src}, mask, y)
			ADDQ(ld, src)
			VPMOVZXWD(y, high)
			VPSLLD(U8(16), high, high)
			VPORD(high, low, low)
		}
		VMOVDQU32(low, mask, Mem{Base: dst})
		ADDQ(bs, dst)
	}
	Label("two")
	CMPQ(k, U8(2))
	JLT(LabelRef("odd"))
	pair(true)
	SUBQ(U8(2), k)
	JMP(LabelRef("two"))
	Label("odd")
	TESTQ(k, k)
	JZ(LabelRef("done"))
	pair(false)
	Label("done")
	end()
}

// halves emits a function between float32 and bfloat16, a vector at a time; Go does the rest.
func halves(name, doc, signature string, toHalf bool, body func(x VecVirtual) VecVirtual) {
	begin(name, signature, doc)
	n, dst, src := arg("n"), arg("dst"), arg("x")
	Label("loop")
	x := vector()
	half := VecVirtual(XMM())
	if wide {
		half = YMM()
	}
	if toHalf {
		VMOVUPS(Mem{Base: src}, x)
		VMOVUPS(body(x), Mem{Base: dst})
	} else {
		VMOVUPS(Mem{Base: src}, half)
		VMOVUPS(body(half), Mem{Base: dst})
	}
	step := map[bool]int{true: bytes, false: bytes / 2}
	ADDQ(U8(step[toHalf]), src)
	ADDQ(U8(step[!toHalf]), dst)
	SUBQ(U8(lanes), n)
	JNZ(LabelRef("loop"))
	end()
}

// narrow rounds to nearest, ties to even, by adding to the bits that are dropped; NaN gets
// its quiet bit instead.
func narrow() {
	halves("Narrow", "is narrowGeneric for n a multiple of the lanes, above 0.", "func(n int, dst *uint16, x *float32)", true, func(x VecVirtual) VecVirtual {
		r, quiet := vector(), vector()
		VPSRLD(U8(16), x, r)
		VANDPS(bits("lowBit", 1), r, r)
		VPADDD(bits("round", 0x7fff), r, r)
		VPADDD(r, x, r)
		VORPS(bits("quiet", 1<<22), x, quiet)
		choose(compare(unordered, x, x), quiet, r, r)
		VPSRLD(U8(16), r, r)
		if wide {
			y := YMM()
			VPMOVDW(r, y)
			return y
		}
		high := XMM()
		VEXTRACTI128(U8(1), r, high)
		VPACKUSDW(high, r.AsX(), high)
		return high
	})
}

func widen() {
	halves("Widen", "is widenGeneric for n a multiple of the lanes, above 0.", "func(n int, dst *float32, x *uint16)", false, func(x VecVirtual) VecVirtual {
		y := vector()
		VPMOVZXWD(x, y)
		VPSLLD(U8(16), y, y)
		return y
	})
}

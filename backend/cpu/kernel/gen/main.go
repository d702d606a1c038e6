// Command gen writes the AVX2 assembly of package kernel:
//
//	go generate ./backend/cpu/kernel
//
// It is a module of its own, so that the generator's dependencies stay out of
// users' builds. The formula of each function stands at its portable form in
// package kernel; comments here say how it is arranged for the machine.
package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("amd64,!noasm")
	gemmKernels()
	packTranspose()
	packRows(16)
	packRows(6)
	gemv8()
	peak()
	elementwise()
	arithmetic()
	reductions()
	adamW()
	for _, n := range []int{8, 16, 32} {
		scanForward(n)
		scanBackward(n)
	}
	Generate()
}

// begin opens a function that takes no stack and keeps no pointer.
func begin(name, signature, doc string) {
	TEXT(name, NOSPLIT, signature)
	Pragma("noescape")
	Doc(name + " " + doc)
}

func end() {
	VZEROUPPER()
	RET()
}

func arg(name string) Register { return Load(Param(name), GP64()) }

// scalarArg is a float32 argument in all lanes.
func scalarArg(name string) VecVirtual {
	y := YMM()
	VBROADCASTSS(Load(Param(name), XMM()).(VecVirtual), y)
	return y
}

var constants = map[string]Mem{}

// constant is a read-only vector with v in all lanes.
func constant(name string, v float64) Mem { return bits(name, math.Float32bits(float32(v))) }

func bits(name string, v uint32) Mem {
	if m, ok := constants[name]; ok {
		return m
	}
	m := GLOBL("c_"+name, RODATA|NOPTR)
	for i := range 8 {
		DATA(4*i, U32(v))
	}
	constants[name] = m
	return m
}

// pin loads a constant into a register, where it costs no load port.
func pin(m Mem) VecVirtual {
	y := YMM()
	VMOVUPS(m, y)
	return y
}

// laneMask is 8 times all ones, then 8 times zero: 32 bytes read at 4·(8-r)
// select the first r lanes.
func laneMask() Mem {
	const name = "lanes"
	if m, ok := constants[name]; ok {
		return m
	}
	m := GLOBL("c_lanes", RODATA|NOPTR)
	for i := range 16 {
		v := uint32(0)
		if i < 8 {
			v = ^uint32(0)
		}
		DATA(4*i, U32(v))
	}
	constants[name] = m
	return m
}

// tailMask loads the mask of the first n lanes, 0 < n < 8.
func tailMask(n Register) VecVirtual {
	at, base := GP64(), GP64()
	MOVQ(U32(8), at)
	SUBQ(n, at)
	LEAQ(laneMask(), base)
	y := YMM()
	VMOVUPS(Mem{Base: base, Index: at, Scale: 4}, y)
	return y
}

// Command gen writes the assembly of package kernel, one level at a time:
//
//	go generate ./backend/cpu/kernel
//
// It is a module of its own, so that the generator's dependencies stay out of
// users' builds. The formula of each function stands at its portable form in
// package kernel; comments here say how it is arranged for the machine.
package main

import (
	"flag"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	level := flag.String("level", "avx2", "avx2 or avx512")
	flag.Parse()
	setLevel(*level)
	ConstraintExpr("amd64,!noasm")
	gemmKernels()
	epilogueKernels()
	bfloat16Kernels()
	for _, e := range elements {
		gemv(e)
	}
	narrowKernels()
	if wide {
		digitKernels()
	}
	if !wide {
		touch()
	}
	peak()
	elementwise()
	arithmetic()
	reductions()
	adamW()
	for _, n := range []int{8, 16, 32} {
		scanForward(n)
		scanBackward(n)
	}
	scanStep()
	convStep()
	if !wide {
		convStep4()
	}
	ssdStep()
	deltaStep()
	diagonalStep()
	for outputs := 1; outputs <= 2; outputs++ {
		diagonalForward(outputs)
		diagonalBackward(outputs)
	}
	rglru()
	laneSums()
	conv4()
	conv4Weights()
	Generate()
}

// begin opens a function that takes no stack and keeps no pointer. Its name gets the level
// in front.
func begin(name, signature, doc string) {
	name = prefix + name
	TEXT(name, NOSPLIT, signature)
	Pragma("noescape")
	Doc(name + " " + doc)
}

func end() {
	VZEROUPPER()
	RET()
}

func arg(name string) Register { return Load(Param(name), GP64()) }

// inFrame is where an argument lies.
func inFrame(name string) Mem {
	b, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

// scalarArg is a float32 argument in all lanes.
func scalarArg(name string) VecVirtual {
	y := vector()
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
	for i := range lanes {
		DATA(4*i, U32(v))
	}
	constants[name] = m
	return m
}

// pin loads a constant into a register, where it costs no load port.
func pin(m Mem) VecVirtual {
	y := vector()
	VMOVUPS(m, y)
	return y
}

package kernel

import (
	"fmt"
	"os"
)

// levelVariable is the environment variable that forces a level, for tests,
// for comparisons and for reproducing a run of another machine.
const levelVariable = "MOEZOO_CPU"

// dispatch is one level: the inner loops that have more than one form. Each
// field's formula stands at its portable form, named like the field with the
// suffix Generic. Lengths are the callers' business: every slice is at least
// as long as the loop needs.
type dispatch struct {
	name string

	// Matrix products.
	gemm  gemmShape
	micro microKernel
	packT func(kc int, src []float32, ld int, dst []float32)
	pack  func(kc, width int, src []float32, ld int, dst []float32)
	// packPanels wants width to be mr or nr.
	packPanels func(kc, panels, width int, src []float32, ld int, dst []float32)
	// What follows a product at once: rows of nr columns.
	addRows, reluGradRows func(rows int, z []float32, ldz int, o []float32, ldo int)
	reluRows              func(rows int, z []float32, ldz int)
	gemvN                 func(y, x, b []float32, ldb int, follows bool)
	dot                   func(x, y []float32) float32
	touch                 func(b []byte)

	// bfloat16.
	narrow func(dst []uint16, x []float32)
	widen  func(dst []float32, x []uint16)
	dots   *dotKernels // nil: pairs are not multiplied by hardware
	// Products with narrow matrices. y is zero before.
	gemvBF16   func(y, x []float32, b []uint16, ldb int, follows bool)
	gemvInt8   func(y, x []float32, b []int8, ldb int, follows bool)
	gemvDigits func(y, x []float32, b []int8, ldb int, follows bool) // gemvInt8 in whole numbers; nil: not multiplied by hardware
	dotBF16    func(x []float32, b []uint16) float32
	dotInt8    func(x []float32, b []int8) float32
	widenInt8  func(dst []float32, b []int8)

	// Elementwise. dst may be the same slice as a source.
	exp, sigmoid, silu, softplus, tanh, gelu, relu, log, log1p func(dst, x []float32)
	siluGrad, softplusGrad, geluGrad, reluGrad                 func(dx, x, dy []float32)
	add, mul                                                   func(dst, x, y []float32)
	mulAdd                                                     func(dst, x, y []float32)
	axpy                                                       func(dst []float32, a float32, x []float32)
	scale                                                      func(dst []float32, a float32, x []float32)

	// Rows.
	sum        func(x []float32) float32
	sumSquares func(x []float32) float64
	max        func(x []float32) float32
	dot3       func(x, y, z []float32) float32
	expSum     func(dst, x []float32, shift float32) float32
	scaled     func(dst, x, g []float32, r float32)
	combine    func(dst, dy, g, x []float32, a, b, c float32)
	shift      func(dst, x []float32, a float32)
	accumulate func(dst, x, y []float32, a float32)

	// Sequences. scanLanes is the number of channels a scan block holds side by side.
	scanLanes    int
	scanForward  func(n, steps int, s scanBlock)
	scanBackward func(n, steps int, s scanBlock)
	ssdStep      func(decay float32, x, b, c, h, y []float32)
	deltaStep    func(decay float32, k, q, u, s, o []float32)
	diagonalStep func(u, a, w, h, y []float32)
	// One mode over a run of steps.
	diagonalForward, diagonalBackward func(s diagonalBlock)
	scanStep                          func(n int, delta, u, y, a, b, c, h []float32)
	rglruStep                         func(state, x, a []float32)
	// Gradients of that step's input and decay.
	rglruInputGrad func(dx, s, a []float32)
	rglruDecayGrad func(dd, s, x, before, a []float32)
	laneSums       func(dst, src []float32)
	convStep       func(taps int, x, w, bias, past, y, next []float32)
	convRows       func(rows, taps, width int, x []float32, ld int, w, bias, y []float32, ldy int)
	convWeights    func(rows, taps, width int, x []float32, ld int, dy []float32, ldy int, part []float32, ldp int)

	// The machine's peak: a loop in registers, and its operations an iteration.
	peak    func(iterations int)
	peakOps float64

	// Optimiser.
	adamW func(p, m, v, g []float32, c *adamWConsts)
}

// gemmShape is how a level cuts matrix products. It decides what is kept in which cache, and
// nothing about results.
type gemmShape struct {
	mr, nr int // rows and columns of the micro-kernel
	mc     int // rows of A used with one panel of B, in L2: a multiple of mr
	nc     int // columns of B packed at once, in L2: a multiple of nr
	// inPlace tells that operands are read where they lie: rows are so many that vectors of B
	// come from L2 as fast as they are used.
	inPlace bool
}

// microKernel is the form of microGeneric: rows in [1, mr], cols in [1, nr]. It may compute
// more columns than asked for, up to nr.
type microKernel = func(rows, cols, kc int, a []float32, ars, acs int, b []float32, bs int, c []float32, ldc int, acc bool, ask asked)

// asked is memory that a micro-kernel asks for while it multiplies: what will be needed with c, in
// rows as far apart, or nil, and rows of nr columns that lie ld apart.
type asked struct {
	with, next []float32
	ld, rows   int
}

// active is the level in use. It is set once, before main, and by tests.
var active *dispatch

func init() { active = chooseLevel(os.Getenv(levelVariable)) }

// Level names the form of the kernels in use: "generic", "avx2" or "avx512". The
// choice is made at start from the processor's features; the environment
// variable MOEZOO_CPU forces one.
func Level() string { return active.name }

// Levels lists the levels this machine can run, slowest first.
func Levels() []string {
	var names []string
	for _, l := range levels() {
		names = append(names, l.name)
	}
	return names
}

// chooseLevel takes the forced level, or the fastest there is. An impossible
// wish is reported and otherwise ignored: a wrong variable should not stop a
// program that can run.
func chooseLevel(forced string) *dispatch {
	ls := levels()
	best := ls[len(ls)-1]
	if forced == "" {
		return best
	}
	for _, l := range ls {
		if l.name == forced {
			return l
		}
	}
	fmt.Fprintf(os.Stderr, "%s=%s cannot be used on this machine; using %s\n", levelVariable, forced, best.name)
	return best
}

package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// diagonalRun is one mode of a run of steps with the channels across the lanes. The states of
// some vectors of channels stay in registers over all steps.
type diagonalRun struct {
	outputs, vectors int
	at               Register // offset of the vectors in all rows
}

// here is the address of the vectors in the first row of an argument.
func (r diagonalRun) here(name string) Register {
	p := arg(name)
	ADDQ(r.at, p)
	return p
}

// rows reads the first row of an argument, and the one that lies an argument's bytes behind.
func (r diagonalRun) rows(base Register, apart string) (first, second []VecVirtual) {
	first, second = registers(r.vectors), registers(r.vectors)
	d := arg(apart)
	for i := range first {
		VMOVUPS(Mem{Base: base, Disp: bytes * i}, first[i])
		VMOVUPS(Mem{Base: base, Index: d, Scale: 1, Disp: bytes * i}, second[i])
	}
	return first, second
}

// keep writes what rows reads.
func (r diagonalRun) keep(first, second []VecVirtual, base Register, apart string) {
	d := arg(apart)
	for i := range first {
		VMOVUPS(first[i], Mem{Base: base, Disp: bytes * i})
		VMOVUPS(second[i], Mem{Base: base, Index: d, Scale: 1, Disp: bytes * i})
	}
}

// next sets (re, im) = a·(re, im) + u.
func (r diagonalRun) next(aRe, aIm, re, im []VecVirtual, u Register) {
	for i := range re {
		t, v := vector(), vector()
		VMULPS(re[i], aIm[i], t)
		VMOVUPS(Mem{Base: u, Disp: bytes * i}, v)
		VFMADD213PS(v, aRe[i], re[i])
		VFNMADD231PS(aIm[i], im[i], re[i])
		VFMADD213PS(t, aRe[i], im[i])
	}
}

// diagonals emits a function that goes through its channels, as many vectors at a time as run
// is given, and then one.
func diagonals(name, signature string, outputs, vectors int, run func(r diagonalRun, label string)) {
	begin(fmt.Sprintf("%s%d", name, outputs), signature, fmt.Sprintf("is %sGeneric for %d outputs, and width, in bytes like all strides, whole vectors.", "d"+name[1:], outputs))
	r := diagonalRun{outputs: outputs, at: GP64()}
	XORQ(r.at, r.at)
	for _, r.vectors = range []int{vectors, 1} {
		label, next := fmt.Sprintf("by%d", r.vectors), GP64()
		Label(label)
		LEAQ(Mem{Base: r.at, Disp: bytes * r.vectors}, next)
		CMPQ(next, arg("width"))
		JGT(LabelRef(label + "Done"))
		run(r, label)
		ADDQ(U8(bytes*r.vectors), r.at)
		JMP(LabelRef(label))
		Label(label + "Done")
		if vectors == 1 {
			break
		}
	}
	end()
}

func diagonalForward(outputs int) {
	const signature = "func(width, steps int, u, y, a, w *float32, stride int, h *float32, halfH int)"
	vectors := 1
	if wide || outputs == 1 {
		vectors = 2
	}
	diagonals("DiagonalForward", signature, outputs, vectors, func(r diagonalRun, label string) {
		aRe, aIm := r.rows(r.here("a"), "stride")
		h := r.here("h")
		re, im := r.rows(h, "halfH")
		w, weights := r.here("w"), make([][2][]VecVirtual, outputs)
		for o := range weights {
			weights[o][0], weights[o][1] = r.rows(w, "stride")
			if o+1 < outputs {
				LEAQ(Mem{Base: w, Index: arg("stride"), Scale: 2}, w)
			}
		}
		u, y, stride, left := r.here("u"), r.here("y"), arg("stride"), arg("steps")
		Label(label + "Step")
		r.next(aRe, aIm, re, im, u)
		for o, w := range weights {
			for i := range re {
				to := Mem{Base: y, Disp: bytes * i}
				if o > 0 {
					to.Index, to.Scale = stride, 1
				}
				sum := vector()
				VMOVUPS(to, sum)
				VFMADD231PS(w[0][i], re[i], sum)
				VFMADD231PS(w[1][i], im[i], sum)
				VMOVUPS(sum, to)
			}
		}
		ADDQ(stride, u)
		for range outputs {
			ADDQ(stride, y)
		}
		DECQ(left)
		JNZ(LabelRef(label + "Step"))
		r.keep(re, im, h, "halfH")
	})
}

func diagonalBackward(outputs int) {
	const signature = "func(width, steps int, u, dy, a, w *float32, stride int, h *float32, halfH int, du, carry, sums *float32, halfSum, nextSum int, hist *float32)"
	vectors := 1
	if wide {
		vectors = 2
	}
	diagonals("DiagonalBackward", signature, outputs, vectors, func(r diagonalRun, label string) {
		aRe, aIm := r.rows(r.here("a"), "stride")
		re, im := r.rows(r.here("h"), "halfH")
		hist := r.recompute(aRe, aIm, re, im, label+"Again")
		r.adjoint(aRe, aIm, re, im, hist, label+"Back")
	})
}

// record is the number of bytes of the states of one step in hist.
func (r diagonalRun) record() int { return 2 * r.vectors * bytes }

func (r diagonalRun) histories(re, im []VecVirtual, f func(v VecVirtual, disp int)) {
	for i := range re {
		f(re[i], 2*bytes*i)
		f(im[i], 2*bytes*i+bytes)
	}
}

// recompute writes the states before each step, leaves those behind the last in registers, and
// answers where they would be written.
func (r diagonalRun) recompute(aRe, aIm, re, im []VecVirtual, label string) Register {
	u, stride, left, hist := r.here("u"), arg("stride"), arg("steps"), arg("hist")
	Label(label)
	r.histories(re, im, func(v VecVirtual, disp int) { VMOVUPS(v, Mem{Base: hist, Disp: disp}) })
	r.next(aRe, aIm, re, im, u)
	ADDQ(stride, u)
	ADDQ(U32(r.record()), hist)
	DECQ(left)
	JNZ(LabelRef(label))
	return hist
}

// last is the address of the vectors in the last step's first row.
func (r diagonalRun) last(name string, rows int) Register {
	p, off := r.here(name), arg("steps")
	DECQ(off)
	IMULQ(arg("stride"), off)
	for range rows {
		ADDQ(off, p)
	}
	return p
}

func (r diagonalRun) adjoint(aRe, aIm, re, im []VecVirtual, hist Register, label string) {
	carry, sums := r.here("carry"), r.here("sums")
	cRe, cIm := r.rows(carry, "stride")
	dRe, dIm := r.rows(sums, "halfSum")
	dw := make([][2][]VecVirtual, r.outputs)
	for o := range dw {
		ADDQ(arg("nextSum"), sums)
		dw[o][0], dw[o][1] = r.rows(sums, "halfSum")
	}
	w, stride := []Register{r.here("w"), GP64()}, arg("stride")
	LEAQ(Mem{Base: w[0], Index: stride, Scale: 2}, w[1])
	dy, du, left := r.last("dy", r.outputs), r.last("du", 1), arg("steps")
	Label(label)
	for o := range dw {
		for i := range re {
			from, v := Mem{Base: dy, Disp: bytes * i}, vector()
			if o > 0 {
				from.Index, from.Scale = stride, 1
			}
			VMOVUPS(from, v)
			VFMADD231PS(Mem{Base: w[o], Disp: bytes * i}, v, cRe[i])
			VFMADD231PS(Mem{Base: w[o], Index: stride, Scale: 1, Disp: bytes * i}, v, cIm[i])
			VFMADD231PS(re[i], v, dw[o][0][i])
			VFNMADD231PS(im[i], v, dw[o][1][i])
		}
	}
	SUBQ(U32(r.record()), hist)
	r.histories(re, im, func(v VecVirtual, disp int) { VMOVUPS(Mem{Base: hist, Disp: disp}, v) })
	for i := range re {
		to, t := Mem{Base: du, Disp: bytes * i}, vector()
		VADDPS(to, cRe[i], t)
		VMOVUPS(t, to)
		VFMADD231PS(cRe[i], re[i], dRe[i])
		VFMADD231PS(cIm[i], im[i], dRe[i])
		VFMADD231PS(cIm[i], re[i], dIm[i])
		VFNMADD231PS(cRe[i], im[i], dIm[i])
		VMULPS(cRe[i], aIm[i], t)
		VMULPS(aRe[i], cRe[i], cRe[i])
		VFMADD231PS(aIm[i], cIm[i], cRe[i])
		VFMSUB213PS(t, aRe[i], cIm[i])
	}
	for range dw {
		SUBQ(stride, dy)
	}
	SUBQ(stride, du)
	DECQ(left)
	JNZ(LabelRef(label))
	r.keep(cRe, cIm, carry, "stride")
	for o := range dw {
		w := dw[len(dw)-1-o]
		r.keep(w[0], w[1], sums, "halfSum")
		SUBQ(arg("nextSum"), sums)
	}
	r.keep(dRe, dIm, sums, "halfSum")
}

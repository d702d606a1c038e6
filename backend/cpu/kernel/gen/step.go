package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// scanStep updates the states with a vector along N, two channels at a time so that their
// chains overlap, and then reads those of as many channels as there are lanes again, across,
// so that each output is summed in the order of scanForward.
func scanStep() {
	begin("ScanStep", "func(channels, row int, delta, u, y, a, b, c, h *float32)",
		"is scanStepGeneric, with rows of row bytes.")
	channels, row := arg("channels"), arg("row")
	delta, u, y, a, h := arg("delta"), arg("u"), arg("y"), arg("a"), arg("h")
	d := pinDecay()
	Label("block")
	first := GP64()
	MOVQ(h, first)
	b, left := arg("b"), GP64()
	MOVQ(U32(lanes/2), left)
	Label("pair")
	a2, h2, at := GP64(), GP64(), GP64()
	LEAQ(Mem{Base: a, Index: row, Scale: 1}, a2)
	LEAQ(Mem{Base: h, Index: row, Scale: 1}, h2)
	dt, du := registers(2), registers(2)
	for i := range dt {
		VBROADCASTSS(Mem{Base: delta, Disp: 4 * i}, dt[i])
		times(Mem{Base: u, Disp: 4 * i}, dt[i], du[i])
	}
	XORQ(at, at)
	Label("vector")
	z, t, p := registers(2), registers(2), registers(2)
	for i, from := range []Register{a, a2} {
		VMOVUPS(Mem{Base: from, Index: at, Scale: 1}, z[i])
		VMULPS(constant("log2e", 1.44269504088896341), z[i], z[i])
		VMULPS(dt[i], z[i], z[i])
	}
	d.decays(z, t, p)
	for i, state := range []Register{h, h2} {
		VMULPS(Mem{Base: b, Index: at, Scale: 1}, du[i], z[i])
		VFMADD132PS(Mem{Base: state, Index: at, Scale: 1}, z[i], p[i])
		VMOVUPS(p[i], Mem{Base: state, Index: at, Scale: 1})
	}
	ADDQ(U8(bytes), at)
	CMPQ(at, row)
	JLT(LabelRef("vector"))
	LEAQ(Mem{Base: a, Index: row, Scale: 2}, a)
	LEAQ(Mem{Base: h, Index: row, Scale: 2}, h)
	ADDQ(U8(8), delta)
	ADDQ(U8(8), u)
	DECQ(left)
	JNZ(LabelRef("pair"))

	rows, c, k := rowsAt(first, row, lanes), arg("c"), GP64()
	MOVQ(row, k)
	sum := vector()
	VMOVUPS(Mem{Base: y}, sum)
	Label("across")
	for i, v := range fourAcross(func(row int) Op { return rows.at(row, 0) }) {
		addTimes(Mem{Base: c, Disp: 4 * i}, v, sum)
	}
	rows.advance(U8(16))
	ADDQ(U8(16), c)
	SUBQ(U8(16), k)
	JNZ(LabelRef("across"))
	VMOVUPS(sum, Mem{Base: y})
	ADDQ(U8(bytes), y)
	SUBQ(U8(lanes), channels)
	JNZ(LabelRef("block"))
	end()
}

// fourAcross reads the first four values of as many rows as there are lanes, and answers a
// vector of each. The last row may be a register.
func fourAcross(row func(r int) Op) []VecVirtual {
	x := registers(4) // x[i]: rows i, 4+i, 8+i …, four values each
	for i := range x {
		if wide {
			VBROADCASTF32X4(row(i), x[i])
		} else {
			VBROADCASTF128(row(i), x[i])
		}
		for part := 1; part < lanes/4; part++ {
			if wide {
				VINSERTF32X4(U8(part), row(4*part+i), x[i], x[i])
			} else {
				VINSERTF128(U8(part), row(4*part+i), x[i], x[i])
			}
		}
	}
	t, v := registers(4), registers(4)
	VUNPCKLPS(x[1], x[0], t[0])
	VUNPCKHPS(x[1], x[0], t[1])
	VUNPCKLPS(x[3], x[2], t[2])
	VUNPCKHPS(x[3], x[2], t[3])
	VUNPCKLPD(t[2], t[0], v[0])
	VUNPCKHPD(t[2], t[0], v[1])
	VUNPCKLPD(t[3], t[1], v[2])
	VUNPCKHPD(t[3], t[1], v[3])
	return v
}

// convStep4 is for four taps, eight channels at a time: each channel's taps and inputs, which
// lie beside each other, are read across. Wider vectors are put together no faster.
func convStep4() {
	begin("ConvStep4", "func(channels int, x, w, bias, past, y, next *float32)",
		"is convStepGeneric for four taps and channels a multiple of 8, above 0; next may be past.")
	channels := arg("channels")
	x, w, bias, past, y, next := arg("x"), arg("w"), arg("bias"), arg("past"), arg("y"), arg("next")
	const last, row = 7, 12 // of the channels; bytes of past
	Label("block")
	three := XMM() // no more may be read of the last
	VMOVSD(Mem{Base: past, Disp: row * last}, three)
	VINSERTPS(U8(0x20), Mem{Base: past, Disp: row*last + 8}, three, three)
	p := fourAcross(func(r int) Op {
		if r == last {
			return three
		}
		return Mem{Base: past, Disp: row * r}
	})
	taps := fourAcross(func(r int) Op { return Mem{Base: w, Disp: 16 * r} })
	sum, newest := vector(), vector()
	VMOVUPS(Mem{Base: bias}, sum)
	VMOVUPS(Mem{Base: x}, newest)
	for j := range 3 {
		VFMADD231PS(p[j], taps[j], sum)
	}
	VFMADD231PS(newest, taps[3], sum)
	VMOVUPS(sum, Mem{Base: y})
	// Back to three values of each channel, stored in order: what a store writes too much is
	// the next one's, but for the last.
	t, v := registers(4), registers(4)
	VUNPCKLPS(p[2], p[1], t[0])
	VUNPCKHPS(p[2], p[1], t[1])
	VUNPCKLPS(newest, newest, t[2])
	VUNPCKHPS(newest, newest, t[3])
	VUNPCKLPD(t[2], t[0], v[0])
	VUNPCKHPD(t[2], t[0], v[1])
	VUNPCKLPD(t[3], t[1], v[2])
	VUNPCKHPD(t[3], t[1], v[3])
	for r := range last {
		to := Mem{Base: next, Disp: row * r}
		if r < 4 {
			VMOVUPS(v[r].AsX(), to)
		} else {
			VEXTRACTF128(U8(1), v[r-4], to)
		}
	}
	VEXTRACTF128(U8(1), v[3], three)
	VMOVLPS(three, Mem{Base: next, Disp: row * last})
	VEXTRACTPS(U8(2), three, Mem{Base: next, Disp: row*last + 8})
	for _, r := range []Register{x, bias, y} {
		ADDQ(U8(32), r)
	}
	for _, r := range []Register{past, next} {
		ADDQ(U8(8*row), r)
	}
	ADDQ(U32(8*16), w)
	SUBQ(U8(8), channels)
	JNZ(LabelRef("block"))
	end()
}

// convStep is one channel after the other: its taps and inputs lie beside each other.
func convStep() {
	begin("ConvStep", "func(channels, taps int, x, w, bias, past, y, next *float32)",
		"is convStepGeneric for channels above 0 and two taps or more; next may be past.")
	channels, taps := arg("channels"), arg("taps")
	x, w, bias, past, y, next := arg("x"), arg("w"), arg("bias"), arg("past"), arg("y"), arg("next")
	DECQ(taps)
	Label("channel")
	sum, newest, v := XMM(), XMM(), XMM()
	at := GP64()
	VMOVSS(Mem{Base: bias}, sum)
	VMOVSS(Mem{Base: x}, newest)
	VMOVSS(Mem{Base: past}, v)
	VFMADD231SS(Mem{Base: w}, v, sum)
	MOVQ(U32(1), at)
	JMP(LabelRef("more"))
	Label("tap")
	VMOVSS(Mem{Base: past, Index: at, Scale: 4}, v)
	VMOVSS(v, Mem{Base: next, Index: at, Scale: 4, Disp: -4})
	VFMADD231SS(Mem{Base: w, Index: at, Scale: 4}, v, sum)
	INCQ(at)
	Label("more")
	CMPQ(at, taps)
	JLT(LabelRef("tap"))
	VMOVSS(newest, Mem{Base: next, Index: taps, Scale: 4, Disp: -4})
	VFMADD231SS(Mem{Base: w, Index: taps, Scale: 4}, newest, sum)
	VMOVSS(sum, Mem{Base: y})
	for _, r := range []Register{x, bias, y} {
		ADDQ(U8(4), r)
	}
	for _, r := range []Register{past, next} {
		LEAQ(Mem{Base: r, Index: taps, Scale: 4}, r)
	}
	LEAQ(Mem{Base: w, Index: taps, Scale: 4, Disp: 4}, w)
	DECQ(channels)
	JNZ(LabelRef("channel"))
	end()
}

// ssdStep reads and writes each state once.
func ssdStep() {
	begin("SSDStep", "func(rows, row int, decay float32, x, b, c, h, y *float32)",
		"is ssdStepGeneric for rows above 0, of row bytes, a multiple of a vector.")
	rows, row := arg("rows"), arg("row")
	decay := scalarArg("decay")
	x, b, c, h, y := arg("x"), arg("b"), arg("c"), arg("h"), arg("y")
	Label("row")
	v, sum, at := vector(), zeroed(), GP64()
	VBROADCASTSS(Mem{Base: x}, v)
	XORQ(at, at)
	Label("vector")
	state := vector()
	VMULPS(Mem{Base: h, Index: at, Scale: 1}, decay, state)
	VFMADD231PS(Mem{Base: b, Index: at, Scale: 1}, v, state)
	VMOVUPS(state, Mem{Base: h, Index: at, Scale: 1})
	VFMADD231PS(Mem{Base: c, Index: at, Scale: 1}, state, sum)
	ADDQ(U8(bytes), at)
	CMPQ(at, row)
	JLT(LabelRef("vector"))
	VMOVSS(joined(sum, sumJoin).AsX(), Mem{Base: y})
	ADDQ(row, h)
	ADDQ(U8(4), x)
	ADDQ(U8(4), y)
	DECQ(rows)
	JNZ(LabelRef("row"))
	end()
}

// deltaStep goes down the rows with what belongs to four vectors of columns in registers.
func deltaStep() {
	begin("DeltaStep", "func(rows int, decay float32, k, q, u, s *float32, ld int, o *float32)",
		"is deltaStepGeneric for four vectors of columns and rows above 0; ld in bytes.")
	rows, decay := arg("rows"), scalarArg("decay")
	k, q, u, s, ld := arg("k"), arg("q"), arg("u"), arg("s"), arg("ld")
	added, out := registers(4), registers(4)
	for i := range added {
		VMOVUPS(Mem{Base: u, Disp: bytes * i}, added[i])
		VXORPS(out[i], out[i], out[i])
	}
	Label("row")
	kv, qv := vector(), vector()
	VBROADCASTSS(Mem{Base: k}, kv)
	VBROADCASTSS(Mem{Base: q}, qv)
	for i := range added {
		state := vector()
		VMULPS(Mem{Base: s, Disp: bytes * i}, decay, state)
		VFMADD231PS(added[i], kv, state)
		VMOVUPS(state, Mem{Base: s, Disp: bytes * i})
		VFMADD231PS(state, qv, out[i])
	}
	ADDQ(U8(4), k)
	ADDQ(U8(4), q)
	ADDQ(ld, s)
	DECQ(rows)
	JNZ(LabelRef("row"))
	o := arg("o")
	for i, v := range out {
		VMOVUPS(v, Mem{Base: o, Disp: bytes * i})
	}
	end()
}

// diagonalStep takes the pairs of complex numbers as they lie.
func diagonalStep() {
	begin("DiagonalStep", "func(channels, row int, u, a, w, h, y *float32)",
		"is diagonalStepGeneric for channels above 0, with rows of row bytes, a multiple of a vector.")
	channels, row := arg("channels"), arg("row")
	u, a, w, h, y := arg("u"), arg("a"), arg("w"), arg("h"), arg("y")
	Label("channel")
	input, sum, at := vector(), zeroed(), GP64()
	VBROADCASTSS(Mem{Base: u}, input)
	VANDPS(pairs("realParts", ^uint32(0), 0), input, input)
	XORQ(at, at)
	Label("vector")
	state, other, re, im := vector(), vector(), vector(), vector()
	VMOVUPS(Mem{Base: h, Index: at, Scale: 1}, state)
	VPERMILPS(U8(0xb1), state, other)
	VMOVSLDUP(Mem{Base: a, Index: at, Scale: 1}, re)
	VMOVSHDUP(Mem{Base: a, Index: at, Scale: 1}, im)
	VMULPS(other, im, im)
	VFMADDSUB213PS(im, re, state)
	VADDPS(input, state, state)
	VMOVUPS(state, Mem{Base: h, Index: at, Scale: 1})
	weight := vector()
	VMOVUPS(Mem{Base: w, Index: at, Scale: 1}, weight)
	VXORPS(pairs("conjugate", 0, 1<<31), weight, weight)
	VFMADD231PS(weight, state, sum)
	ADDQ(U8(bytes), at)
	CMPQ(at, row)
	JLT(LabelRef("vector"))
	VMOVSS(joined(sum, sumJoin).AsX(), Mem{Base: y})
	for _, r := range []Register{a, w, h} {
		ADDQ(row, r)
	}
	ADDQ(U8(4), u)
	ADDQ(U8(4), y)
	DECQ(channels)
	JNZ(LabelRef("channel"))
	end()
}

// pairs is a read-only vector of bits for real and imaginary parts.
func pairs(name string, re, im uint32) Mem {
	if m, ok := constants[name]; ok {
		return m
	}
	m := GLOBL("c_"+name, RODATA|NOPTR)
	for i := range lanes {
		DATA(4*i, U32([]uint32{re, im}[i%2]))
	}
	constants[name] = m
	return m
}

// rglru emits what one step of the real-gated linear recurrent unit does to each channel.
func rglru() {
	type vs = []VecVirtual
	rest := func(a VecVirtual) VecVirtual { // 1 - a²
		t, u := vector(), vector()
		VMOVUPS(constant("one", 1), t)
		VADDPS(t, a, u)
		VSUBPS(a, t, t)
		VMULPS(u, t, t)
		return t
	}
	vectors("RGLRUStep", "is rglruStepGeneric.", []string{"dst", "x", "a"}, nil, 1, func(x, _ vs) VecVirtual {
		t := rest(x[2])
		VSQRTPS(t, t)
		VMULPS(x[1], t, t)
		VFMADD213PS(t, x[2], x[0])
		return x[0]
	})
	vectors("RGLRUInputGrad", "is rglruInputGradGeneric.", []string{"s", "a"}, nil, 1, func(x, _ vs) VecVirtual {
		t := rest(x[1])
		VSQRTPS(t, t)
		VMULPS(x[0], t, t)
		return t
	})
	vectors("RGLRUDecayGrad", "is rglruDecayGradGeneric.", []string{"s", "x", "before", "a"}, nil, 1, func(x, _ vs) VecVirtual {
		t, f := rest(x[3]), vector()
		VMAXPS(constant("rglruFloor", 0.25e-6), t, t)
		VSQRTPS(t, t)
		VMULPS(x[3], x[3], f)
		VDIVPS(t, f, f)
		VMULPS(x[3], x[2], x[2])
		VFNMADD231PS(f, x[1], x[2])
		VMULPS(x[0], x[2], x[2])
		return x[2]
	})
}

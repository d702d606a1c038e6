package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// arithmetic emits the short elementwise functions, four vectors at a time.
func arithmetic() {
	type vs = []VecVirtual
	vectors("Add", "is addGeneric.", []string{"x", "y"}, nil, 4, func(x, _ vs) VecVirtual {
		VADDPS(x[1], x[0], x[0])
		return x[0]
	})
	vectors("Mul", "is mulGeneric.", []string{"x", "y"}, nil, 4, func(x, _ vs) VecVirtual {
		VMULPS(x[1], x[0], x[0])
		return x[0]
	})
	vectors("MulAdd", "is mulAddGeneric.", []string{"dst", "x", "y"}, nil, 4, func(x, _ vs) VecVirtual {
		VFMADD231PS(x[1], x[2], x[0])
		return x[0]
	})
	vectors("Axpy", "is axpyGeneric.", []string{"dst", "x"}, []string{"a"}, 4, func(x, s vs) VecVirtual {
		VFMADD231PS(x[1], s[0], x[0])
		return x[0]
	})
	vectors("Scale", "is scaleGeneric.", []string{"x"}, []string{"a"}, 4, func(x, s vs) VecVirtual {
		VMULPS(s[0], x[0], x[0])
		return x[0]
	})
	vectors("Shift", "is shiftGeneric.", []string{"x"}, []string{"a"}, 4, func(x, s vs) VecVirtual {
		VADDPS(s[0], x[0], x[0])
		return x[0]
	})
	vectors("Scaled", "is scaledGeneric.", []string{"x", "gain"}, []string{"r"}, 4, func(x, s vs) VecVirtual {
		VMULPS(s[0], x[0], x[0])
		VMULPS(x[1], x[0], x[0])
		return x[0]
	})
	vectors("Accumulate", "is accumulateGeneric.", []string{"dst", "x", "y"}, []string{"a"}, 2, func(x, s vs) VecVirtual {
		VMULPS(s[0], x[1], x[1])
		VFMADD231PS(x[1], x[2], x[0])
		return x[0]
	})
	vectors("Combine", "is combineGeneric.", []string{"dy", "gain", "x"}, []string{"a", "b", "c"}, 2, func(x, s vs) VecVirtual {
		VMULPS(s[0], x[0], x[0])
		VFMADD213PS(s[2], s[1], x[2])
		VFMADD213PS(x[2], x[1], x[0])
		return x[0]
	})
}

// fold emits a sum (or maximum) over slices: four running vectors over runs of
// four, the first also over single vectors, the second over the tail.
func fold(name, doc string, sources []string, start Mem, merge func(acc VecVirtual, x []VecVirtual), join joiner) {
	signature := "func(n int"
	for _, s := range sources {
		signature += ", " + s + " *float32"
	}
	begin(name, signature+") float32", doc)
	n := arg("n")
	var ptr []Register
	for _, s := range sources {
		ptr = append(ptr, arg(s))
	}
	var acc [4]VecVirtual
	for i := range acc {
		acc[i] = pin(start)
	}
	pass := func(count int) {
		for u := range count {
			var x []VecVirtual
			for _, p := range ptr {
				y := vector()
				VMOVUPS(Mem{Base: p, Disp: bytes * u}, y)
				x = append(x, y)
			}
			merge(acc[u], x)
		}
		for _, p := range ptr {
			ADDQ(U32(bytes*count), p)
		}
		SUBQ(U32(lanes*count), n)
	}
	Label("many")
	CMPQ(n, U32(4*lanes))
	JLT(LabelRef("one"))
	pass(4)
	JMP(LabelRef("many"))
	Label("one")
	CMPQ(n, U32(lanes))
	JLT(LabelRef("tail"))
	pass(1)
	JMP(LabelRef("one"))
	Label("tail")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	mask := tailMask(n)
	var x []VecVirtual
	for _, p := range ptr {
		y := loadTail(Mem{Base: p}, mask)
		if start != constant("zero", 0) {
			choose(mask, y, pin(start), y)
		}
		x = append(x, y)
	}
	merge(acc[1], x)
	Label("done")
	join(acc[1], acc[0], acc[0])
	join(acc[3], acc[2], acc[2])
	join(acc[2], acc[0], acc[0])
	foldLanes(acc[0], join)
	end()
}

func sumJoin(a, b Op, c VecVirtual) { VADDPS(a, b, c) }
func maxJoin(a, b Op, c VecVirtual) { VMAXPS(a, b, c) }

func reductions() {
	type vs = []VecVirtual
	zero := constant("zero", 0)
	fold("Sum", "is sumGeneric.", []string{"x"}, zero, func(acc VecVirtual, x vs) { VADDPS(x[0], acc, acc) }, sumJoin)
	fold("Dot", "is dotGeneric.", []string{"x", "y"}, zero, func(acc VecVirtual, x vs) { VFMADD231PS(x[0], x[1], acc) }, sumJoin)
	fold("Dot3", "is dot3Generic.", []string{"x", "y", "z"}, zero, func(acc VecVirtual, x vs) {
		VMULPS(x[0], x[1], x[0])
		VFMADD231PS(x[0], x[2], acc)
	}, sumJoin)
	fold("Max", "is maxGeneric, but may pass over NaN.", []string{"x"}, constant("minusInf", minusInf),
		func(acc VecVirtual, x vs) { VMAXPS(x[0], acc, acc) }, maxJoin)
	expSum()
	sumSquares()
}

// expSum is exp over shifted values with a running sum.
func expSum() {
	begin("ExpSum", "func(n int, dst, x *float32, shift float32) float32", "is expSumGeneric.")
	n, dst, x := arg("n"), arg("dst"), arg("x")
	shift := scalarArg("shift")
	c := pinExp()
	acc := pin(constant("zero", 0))
	Label("loop")
	CMPQ(n, U32(lanes))
	JLT(LabelRef("tail"))
	v := vector()
	VMOVUPS(Mem{Base: x}, v)
	VSUBPS(shift, v, v)
	e := c.exp(v)
	VADDPS(e, acc, acc)
	VMOVUPS(e, Mem{Base: dst})
	ADDQ(U32(bytes), x)
	ADDQ(U32(bytes), dst)
	SUBQ(U32(lanes), n)
	JMP(LabelRef("loop"))
	Label("tail")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	mask := tailMask(n)
	v = loadTail(Mem{Base: x}, mask)
	VSUBPS(shift, v, v)
	e = c.exp(v)
	storeTail(e, mask, Mem{Base: dst})
	keep(mask, e, e)
	VADDPS(e, acc, acc)
	Label("done")
	foldLanes(acc, sumJoin)
	end()
}

// sumSquares widens to float64 before multiplying.
func sumSquares() {
	begin("SumSquares", "func(n int, x *float32) float64", "is sumSquaresGeneric.")
	n, x := arg("n"), arg("x")
	var acc [4]VecVirtual
	for i := range acc {
		acc[i] = pin(constant("zero", 0))
	}
	rest := YMM()
	VXORPS(rest, rest, rest)
	Label("loop")
	CMPQ(n, U32(2*lanes))
	JLT(LabelRef("tail"))
	for i := range acc {
		y := vector()
		VCVTPS2PD(Mem{Base: x, Disp: bytes / 2 * i}, y)
		VFMADD231PD(y, y, acc[i])
	}
	ADDQ(U32(2*bytes), x)
	SUBQ(U32(2*lanes), n)
	JMP(LabelRef("loop"))
	Label("tail")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	v := XMM()
	VMOVSS(Mem{Base: x}, v)
	y := YMM()
	VCVTPS2PD(v, y)
	VFMADD231PD(y, y, rest)
	ADDQ(U32(4), x)
	DECQ(n)
	JMP(LabelRef("tail"))
	Label("done")
	VADDPD(acc[1], acc[0], acc[0])
	VADDPD(acc[3], acc[2], acc[2])
	VADDPD(acc[2], acc[0], acc[0])
	high, low := YMM(), folded(acc[0], func(a, b Op, c VecVirtual) { VADDPD(a, b, c) })
	VADDPD(rest, low, low)
	VPERM2F128(U8(0x11), low, low, high)
	VADDPD(high, low, low)
	VPERMILPD(U8(0x5), low, high)
	VADDPD(high, low, low)
	Store(low.AsX(), ReturnIndex(0))
	end()
}

// adamW reads its constants through c, in the order of adamWConsts.
func adamW() {
	begin("AdamW", "func(n int, p, m, v, grad, c *float32)", "is adamWGeneric.")
	n, c := arg("n"), arg("c")
	p, m, v, g := arg("p"), arg("m"), arg("v"), arg("grad")
	var k [9]VecVirtual
	for i := range k {
		k[i] = vector()
		VBROADCASTSS(Mem{Base: c, Disp: 4 * i}, k[i])
	}
	gradScale, decay, beta1, oneBeta1, beta2, oneBeta2, stepSize, root, eps := k[0], k[1], k[2], k[3], k[4], k[5], k[6], k[7], k[8]
	step := func(load func(Register) VecVirtual, store func(VecVirtual, Register)) {
		vg, vm, vv := load(g), load(m), load(v)
		VMULPS(gradScale, vg, vg)
		VMULPS(beta1, vm, vm)
		VFMADD231PS(vg, oneBeta1, vm)
		store(vm, m)
		VMULPS(vg, vg, vg)
		VMULPS(beta2, vv, vv)
		VFMADD231PS(vg, oneBeta2, vv)
		store(vv, v)
		VSQRTPS(vv, vv)
		VFMADD213PS(eps, root, vv)
		VMULPS(stepSize, vm, vm)
		VDIVPS(vv, vm, vm)
		vp := load(p)
		VMULPS(decay, vp, vp)
		VSUBPS(vm, vp, vp)
		store(vp, p)
	}
	Label("loop")
	CMPQ(n, U32(lanes))
	JLT(LabelRef("tail"))
	step(func(from Register) VecVirtual {
		x := vector()
		VMOVUPS(Mem{Base: from}, x)
		return x
	}, func(x VecVirtual, to Register) { VMOVUPS(x, Mem{Base: to}) })
	for _, r := range []Register{p, m, v, g} {
		ADDQ(U32(bytes), r)
	}
	SUBQ(U32(lanes), n)
	JMP(LabelRef("loop"))
	Label("tail")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	mask := tailMask(n)
	step(func(from Register) VecVirtual { return loadTail(Mem{Base: from}, mask) },
		func(x VecVirtual, to Register) { storeTail(x, mask, Mem{Base: to}) })
	Label("done")
	end()
}

package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// vectors emits a function over slices of equal length: body maps one vector of
// each source to one of dst. The last, part-filled vector is loaded under a
// mask, its other lanes zero, so that a value does not depend on its place.
func vectors(name, doc string, sources []string, scalars []string, unroll int, body func(x, s []VecVirtual) VecVirtual) {
	signature := "func(n int, dst *float32"
	for _, s := range sources {
		if s != "dst" {
			signature += ", " + s + " *float32"
		}
	}
	for _, s := range scalars {
		signature += ", " + s + " float32"
	}
	begin(name, signature+")", doc)
	n, dst := arg("n"), arg("dst")
	var ptr []Register
	for _, s := range sources {
		if s == "dst" {
			ptr = append(ptr, dst)
		} else {
			ptr = append(ptr, arg(s))
		}
	}
	var sv []VecVirtual
	for _, s := range scalars {
		sv = append(sv, scalarArg(s))
	}
	if prologue != nil {
		prologue()
	}
	pass := func(count int) {
		for u := range count {
			var x []VecVirtual
			for _, p := range ptr {
				y := vector()
				VMOVUPS(Mem{Base: p, Disp: bytes * u}, y)
				x = append(x, y)
			}
			VMOVUPS(body(x, sv), Mem{Base: dst, Disp: bytes * u})
		}
		for _, p := range ptr {
			if p != dst {
				ADDQ(U32(bytes*count), p)
			}
		}
		ADDQ(U32(bytes*count), dst)
		SUBQ(U32(lanes*count), n)
	}
	if unroll > 1 {
		Label("many")
		CMPQ(n, U32(lanes*unroll))
		JLT(LabelRef("one"))
		pass(unroll)
		JMP(LabelRef("many"))
	}
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
		x = append(x, loadTail(Mem{Base: p}, mask))
	}
	storeTail(body(x, sv), mask, Mem{Base: dst})
	Label("done")
	end()
}

var minusInf, plusInf = math.Inf(-1), math.Inf(1)

var dstX, dstXY = []string{"x"}, []string{"x", "y"}

// expRegs are the constants of exp that stay in registers. Bounds must, because
// min and max return their last operand for NaN, and that has to be x.
type expRegs struct{ low, high, log2e, magic VecVirtual }

func pinExp() *expRegs {
	return &expRegs{
		pin(constant("expLow", -104)), pin(constant("expHigh", 89)),
		pin(constant("log2e", 1.44269504088896341)), pin(constant("magic", 12582912)),
	}
}

// exp returns e^x in a new register, as exp32 with fused multiply-adds.
func (c *expRegs) exp(x VecVirtual) VecVirtual {
	z, t, n, p := vector(), vector(), vector(), vector()
	VMINPS(x, c.high, z)
	VMAXPS(z, c.low, z)
	VMOVAPS(c.log2e, t)
	VFMADD213PS(c.magic, z, t)
	VSUBPS(c.magic, t, n)
	VFNMADD231PS(constant("ln2High", 0.693359375), n, z)
	VFNMADD231PS(constant("ln2Low", -2.12194440e-4), n, z)
	VMOVUPS(constant("e0", 1.9875691500e-4), p)
	VFMADD213PS(constant("e1", 1.3981999507e-3), z, p)
	VFMADD213PS(constant("e2", 8.3334519073e-3), z, p)
	VFMADD213PS(constant("e3", 4.1665795894e-2), z, p)
	VFMADD213PS(constant("e4", 1.6666665459e-1), z, p)
	VFMADD213PS(constant("e5", 5.0000001201e-1), z, p)
	sq := vector()
	VMULPS(z, z, sq)
	VFMADD213PS(z, sq, p)
	VADDPS(constant("one", 1), p, p)
	if wide {
		VSCALEFPS(n, p, p)
		return p
	}
	// 2^n in two factors, so that n may leave the range of normal exponents.
	half := vector()
	VPSUBD(c.magic, t, t)
	VPSRAD(U8(1), t, half)
	VPSUBD(half, t, t)
	VPADDD(bits("bias", 127), t, t)
	VPADDD(bits("bias", 127), half, half)
	VPSLLD(U8(23), t, t)
	VPSLLD(U8(23), half, half)
	VMULPS(half, p, p)
	VMULPS(t, p, p)
	return p
}

// negated returns -x.
func negated(x VecVirtual) VecVirtual {
	y := vector()
	VXORPS(bits("sign", 1<<31), x, y)
	return y
}

// reciprocalOnePlus returns 1/(1+e), overwriting e.
func reciprocalOnePlus(e VecVirtual) VecVirtual {
	s := vector()
	VADDPS(constant("one", 1), e, e)
	VMOVUPS(constant("one", 1), s)
	VDIVPS(e, s, s)
	return s
}

func (c *expRegs) sigmoid(x VecVirtual) VecVirtual { return reciprocalOnePlus(c.exp(negated(x))) }

// polynomial evaluates Horner's rule at z, highest power first.
func polynomial(z VecVirtual, name string, coefficients ...float64) VecVirtual {
	p := vector()
	VMOVUPS(constant(name+"0", coefficients[0]), p)
	for i, c := range coefficients[1:] {
		VFMADD213PS(constant(name+string(rune('1'+i)), c), z, p)
	}
	return p
}

func elementwise() {
	with := vectorsPinned
	with("Exp", "is expGeneric.", dstX, func(c *expRegs, x []VecVirtual) VecVirtual { return c.exp(x[0]) })
	with("Sigmoid", "is sigmoidGeneric.", dstX, func(c *expRegs, x []VecVirtual) VecVirtual { return c.sigmoid(x[0]) })
	with("SiLU", "is siluGeneric.", dstX, func(c *expRegs, x []VecVirtual) VecVirtual {
		s := c.sigmoid(x[0])
		VMULPS(x[0], s, s)
		return s
	})
	with("SiLUGrad", "is siluGradGeneric.", dstXY, func(c *expRegs, x []VecVirtual) VecVirtual {
		s := c.sigmoid(x[0])
		r := vector()
		VMOVUPS(constant("one", 1), r)
		VSUBPS(s, r, r)
		VFMADD213PS(constant("one", 1), x[0], r)
		VMULPS(x[1], s, s)
		VMULPS(r, s, s)
		return s
	})
	with("SoftplusGrad", "is softplusGradGeneric; σ rounds to 1 above 20.", dstXY, func(c *expRegs, x []VecVirtual) VecVirtual {
		s := c.sigmoid(x[0])
		VMULPS(x[1], s, s)
		return s
	})
	with("Softplus", "is softplusGeneric.", dstX, softplusBody)
	with("Tanh", "is tanhGeneric.", dstX, tanhBody)
	with("GELU", "is geluGeneric.", dstX, func(c *expRegs, x []VecVirtual) VecVirtual {
		p := c.normalCDF(x[0])
		VMULPS(x[0], p, p)
		return p
	})
	with("GELUGrad", "is geluGradGeneric.", dstXY, func(c *expRegs, x []VecVirtual) VecVirtual {
		p := c.normalCDF(x[0])
		q := vector()
		VMULPS(x[0], x[0], q)
		VMULPS(constant("minusHalf", -0.5), q, q)
		e := c.exp(q)
		VMULPS(constant("invSqrt2Pi", 0.398942280401432678), e, e)
		VFMADD231PS(x[0], e, p)
		VMULPS(x[1], p, p)
		return p
	})
	vectors("Log", "is logGeneric.", dstX, nil, 1, func(x, _ []VecVirtual) VecVirtual { return log(x[0]) })
	vectors("Log1p", "is log1pGeneric.", dstX, nil, 1, log1pBody)
	vectors("ReLU", "is reluGeneric.", dstX, nil, 4, func(x, _ []VecVirtual) VecVirtual { return relu(x[0]) })
	vectors("ReLUGrad", "is reluGradGeneric.", dstXY, nil, 4, func(x, _ []VecVirtual) VecVirtual { return reluGrad(x[0], x[1]) })
}

func relu(x VecVirtual) VecVirtual {
	z := zeroed()
	VMAXPS(x, z, z) // x last: NaN stays
	return z
}

func reluGrad(x, dy VecVirtual) VecVirtual {
	z := zeroed()
	keep(compare(greaterThan, x, z), dy, z)
	return z
}

// prologue, if set, emits code in front of the loops of vectors; pinned is what
// it left in registers.
var (
	prologue func()
	pinned   *expRegs
)

// vectorsPinned is vectors for bodies that use exp.
func vectorsPinned(name, doc string, sources []string, body func(c *expRegs, x []VecVirtual) VecVirtual) {
	prologue = func() { pinned = pinExp() }
	defer func() { prologue = nil }()
	vectors(name, doc, sources, nil, 1, func(x, _ []VecVirtual) VecVirtual { return body(pinned, x) })
}

// softplusBody: max(x, 0) + log1p(u) with u = exp(-|x|), and log1p(u) =
// 2·atanh(s), s = u/(2+u) ≤ 1/3.
func softplusBody(c *expRegs, in []VecVirtual) VecVirtual {
	x := in[0]
	a := vector()
	VORPS(bits("sign", 1<<31), x, a)
	u := c.exp(a)
	s, z := vector(), vector()
	VADDPS(constant("two", 2), u, s)
	VDIVPS(s, u, s)
	VMULPS(s, s, z)
	p := polynomial(z, "atanhWide", 0.140891991160395, 0.13980295210969765, 0.20012455508855143, 0.33333157334160135, 1.0000000039607126)
	VADDPS(s, s, s)
	r := zeroed()
	VMAXPS(x, r, r)
	VFMADD231PS(p, s, r)
	choose(compare(greaterThan, x, constant("twenty", 20)), x, r, r)
	return r
}

// tanhBody: (1-e)/(1+e) with e = exp(-2|x|), and near zero, where that
// cancels, x + x³·P(x²) (coefficients of the Cephes library's tanhf).
func tanhBody(c *expRegs, in []VecVirtual) VecVirtual {
	x := in[0]
	a, r := vector(), vector()
	VORPS(bits("sign", 1<<31), x, a)
	VADDPS(a, a, a)
	e := c.exp(a)
	VMOVUPS(constant("one", 1), r)
	VSUBPS(e, r, r)
	VADDPS(constant("one", 1), e, e)
	VDIVPS(e, r, r)
	VANDPS(bits("sign", 1<<31), x, e)
	VORPS(e, r, r)
	z := vector()
	VMULPS(x, x, z)
	p := polynomial(z, "tanh", -5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
	VMULPS(z, p, p)
	VFMADD213PS(x, x, p)
	VANDPS(bits("magnitude", 1<<31-1), x, z)
	choose(compare(less, z, constant("tanhSmall", 0.625)), p, r, r)
	return r
}

// normalCDF is erfc(|x|/√2)/2, or one minus that for positive x; erfc by its
// Chebyshev fit t·exp(-z²+P(t)), t = 1/(1+z/2), with a relative error of 1.2e-7
// everywhere (Numerical Recipes, section 6.2).
func (c *expRegs) normalCDF(x VecVirtual) VecVirtual {
	z, t := vector(), vector()
	VANDPS(bits("magnitude", 1<<31-1), x, z)
	VMULPS(constant("halfInvSqrt2", 0.353553390593273762), z, z)
	VMOVUPS(constant("one", 1), t)
	VADDPS(t, z, z)
	VDIVPS(z, t, t)
	p := polynomial(t, "erfc", 0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223)
	VMULPS(x, x, z)
	VFNMADD231PS(constant("half", 0.5), z, p)
	e := c.exp(p)
	VMULPS(t, e, e)
	VMULPS(constant("half", 0.5), e, e)
	VMOVUPS(constant("one", 1), t)
	VSUBPS(e, t, t)
	choose(negative(x), e, t, t)
	return t
}

// log splits x = 2^k·m with m in [√½, √2): k·ln 2 + 2·atanh((m-1)/(m+1)).
func log(x VecVirtual) VecVirtual {
	v, k, shift := vector(), vector(), vector()
	// Denormals are scaled by 2^23 first.
	small := compare(less, x, constant("minNormal", 0x1p-126))
	VMULPS(constant("two23", 0x1p23), x, v)
	choose(small, v, x, v)
	keep(small, constant("twentyThree", 23), shift)
	VPSUBD(bits("sqrtHalf", 0x3f3504f3), v, k)
	VPSRAD(U8(23), k, k)
	m := vector()
	VPSLLD(U8(23), k, m)
	VPSUBD(m, v, m)
	VCVTDQ2PS(k, k)
	VSUBPS(shift, k, k)
	s, z := vector(), vector()
	VADDPS(constant("one", 1), m, s)
	VSUBPS(constant("one", 1), m, m)
	VDIVPS(s, m, s)
	VMULPS(s, s, z)
	// 2s·P(z) = m - s·m + …: with f = m-1, 2s = f - s·f, whose first term is exact.
	p := polynomial(z, "atanh", 0.1496431924300574, 0.19987342421152632, 0.33333408462191844)
	VMULPS(z, p, p)
	VADDPS(p, p, p)
	VSUBPS(m, p, p)
	VMULPS(s, p, p) // s·(2zP - f)
	VFNMADD231PS(constant("ln2LowNeg", 2.12194440e-4), k, p)
	VADDPS(m, p, p)
	VFMADD231PS(constant("ln2High", 0.693359375), k, p)
	// 0 → -Inf, negative → NaN, +Inf and NaN → themselves.
	zero := zeroed()
	choose(compare(equal, x, zero), constant("minusInf", minusInf), p, p)
	choose(compare(less, x, zero), bits("nan", 0x7fc00000), p, p)
	choose(compare(notLess, x, constant("inf", plusInf)), x, p, p) // Inf or NaN
	return p
}

// log1pBody: log(u) + (x-(u-1))/u with u = 1+x, which restores what rounding u lost.
func log1pBody(in, _ []VecVirtual) VecVirtual {
	x := in[0]
	u, c := vector(), vector()
	VADDPS(constant("one", 1), x, u)
	l := log(u)
	VSUBPS(constant("one", 1), u, c)
	VSUBPS(c, x, c)
	VDIVPS(u, c, c)
	keep(compare(ordered, c, c), c, c) // it is NaN for u = 0 and u = Inf
	VADDPS(c, l, l)
	return l
}

package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// decayRegs are the constants of decay32 that stay in registers.
type decayRegs struct {
	magic VecVirtual
	c     [5]VecVirtual
}

func pinDecay() *decayRegs {
	d := &decayRegs{magic: pin(constant("magic", 12582912))}
	for i, v := range []float64{1.3225707225501537e-3, 9.671762585639954e-3, 5.550891533493996e-2, 2.4022236466407776e-1, 6.931468248367310e-1} {
		d.c[i] = pin(constant(fmt.Sprintf("decay%d", i), v))
	}
	return d
}

// decays computes p[i] = 2^z[i], overwriting z, two at a time in program order
// so that the two dependency chains overlap. t holds the temporaries.
func (d *decayRegs) decays(z, t, p []VecVirtual) {
	each := func(f func(i int)) {
		for i := range z {
			f(i)
		}
	}
	each(func(i int) { VMAXPS(constant("decayLow", -126), z[i], z[i]) })
	each(func(i int) { VMINPS(constant("decayHigh", 126), z[i], z[i]) })
	each(func(i int) { VADDPS(d.magic, z[i], t[i]) })
	each(func(i int) { VSUBPS(d.magic, t[i], p[i]) })
	each(func(i int) { VSUBPS(p[i], z[i], z[i]) })
	each(func(i int) { VMOVAPS(d.c[0], p[i]) })
	for _, c := range d.c[1:] {
		each(func(i int) { VFMADD213PS(c, z[i], p[i]) })
	}
	each(func(i int) { VFMADD213PS(constant("one", 1), z[i], p[i]) })
	each(func(i int) { VPSLLD(U8(23), t[i], t[i]) })
	each(func(i int) { VPADDD(t[i], p[i], p[i]) })
}

func registers(n int) []VecVirtual {
	r := make([]VecVirtual, n)
	for i := range r {
		r[i] = YMM()
	}
	return r
}

// scanForward is one block, lanes are channels. The state stays in memory (L1):
// it does not fit the registers.
func scanForward(n int) {
	begin(fmt.Sprintf("avxScanForward%d", n), "func(steps int, delta, u, y *float32, ld int, b, c *float32, bs int, a2, h, skip *float32)",
		fmt.Sprintf("is scanForwardGeneric for N = %d; ld and bs in bytes.", n))
	steps, delta, u, y, ld := arg("steps"), arg("delta"), arg("u"), arg("y"), arg("ld")
	b, c, bs, a2, h, skip := arg("b"), arg("c"), arg("bs"), arg("a2"), arg("h"), arg("skip")
	d := pinDecay()
	Label("step")
	dt, du, sum := YMM(), YMM(), YMM()
	VMOVUPS(Mem{Base: delta}, dt)
	VMOVUPS(Mem{Base: u}, du)
	VMULPS(Mem{Base: skip}, du, sum)
	VMULPS(dt, du, du)
	for k := 0; k < n; k += 2 {
		z, t, p := registers(2), registers(2), registers(2)
		for i := range z {
			VMULPS(Mem{Base: a2, Disp: 32 * (k + i)}, dt, z[i])
		}
		d.decays(z, t, p)
		for i := range z {
			VBROADCASTSS(Mem{Base: b, Disp: 4 * (k + i)}, z[i])
		}
		for i := range z {
			VMULPS(du, z[i], z[i])
		}
		for i := range z {
			VFMADD132PS(Mem{Base: h, Disp: 32 * (k + i)}, z[i], p[i])
		}
		for i := range z {
			VMOVUPS(p[i], Mem{Base: h, Disp: 32 * (k + i)})
			VBROADCASTSS(Mem{Base: c, Disp: 4 * (k + i)}, t[i])
		}
		for i := range z {
			VFMADD231PS(t[i], p[i], sum)
		}
	}
	VMOVUPS(sum, Mem{Base: y})
	for _, p := range []Register{delta, u, y} {
		ADDQ(ld, p)
	}
	ADDQ(bs, b)
	ADDQ(bs, c)
	DECQ(steps)
	JNZ(LabelRef("step"))
	end()
}

// scanBackward is one block: states and decays are recomputed into hist and
// decay, then the adjoint runs down. Row pointers that are used once a step
// are read from the argument frame each time; the others fill the registers.
func scanBackward(n int) {
	begin(fmt.Sprintf("avxScanBackward%d", n),
		"func(steps int, delta, u, dy, dDelta, dU *float32, ld int, b, c *float32, bs int, a2, carry, dA, skip, dSkip, h, hist, decay, dBC *float32)",
		fmt.Sprintf("is scanBackwardGeneric for N = %d; ld and bs in bytes.", n))
	recompute(n)
	adjoint(n)
	end()
}

func recompute(n int) {
	steps, delta, u, ld := arg("steps"), arg("delta"), arg("u"), arg("ld")
	b, bs, a2, h, hist, decay := arg("b"), arg("bs"), arg("a2"), arg("h"), arg("hist"), arg("decay")
	tmp := YMM()
	for k := range n {
		VMOVUPS(Mem{Base: h, Disp: 32 * k}, tmp)
		VMOVUPS(tmp, Mem{Base: hist, Disp: 32 * k})
	}
	d := pinDecay()
	Label("forward")
	dt, du := YMM(), YMM()
	VMOVUPS(Mem{Base: delta}, dt)
	VMULPS(Mem{Base: u}, dt, du)
	for k := 0; k < n; k += 2 {
		z, t, p := registers(2), registers(2), registers(2)
		for i := range z {
			VMULPS(Mem{Base: a2, Disp: 32 * (k + i)}, dt, z[i])
		}
		d.decays(z, t, p)
		for i := range z {
			VMOVUPS(p[i], Mem{Base: decay, Disp: 32 * (k + i)})
			VBROADCASTSS(Mem{Base: b, Disp: 4 * (k + i)}, z[i])
		}
		for i := range z {
			VMULPS(du, z[i], z[i])
		}
		for i := range z {
			VFMADD132PS(Mem{Base: hist, Disp: 32 * (k + i)}, z[i], p[i])
		}
		for i := range z {
			VMOVUPS(p[i], Mem{Base: hist, Disp: 32 * (n + k + i)})
		}
	}
	ADDQ(ld, delta)
	ADDQ(ld, u)
	ADDQ(bs, b)
	ADDQ(U32(32*n), hist)
	ADDQ(U32(32*n), decay)
	DECQ(steps)
	JNZ(LabelRef("forward"))
}

func adjoint(n int) {
	row := 32 * n // bytes of one [N][8] record
	steps, b, c := arg("steps"), arg("b"), arg("c")
	a2, carry, dA := arg("a2"), arg("carry"), arg("dA")
	hist, decay, dBC := arg("hist"), arg("decay"), arg("dBC")
	at := GP64() // offset of the row in delta, u, dy, dDelta, dU
	MOVQ(steps, at)
	DECQ(at)
	{
		off := GP64()
		IMUL3Q(U32(row), at, off)
		ADDQ(off, hist)
		ADDQ(off, decay)
		ADDQ(off, dBC)
		ADDQ(off, dBC)
		off = arg("bs").(GPVirtual)
		IMULQ(at, off)
		ADDQ(off, b)
		ADDQ(off, c)
		IMULQ(arg("ld"), at)
	}
	skip, dSkip := YMM(), YMM()
	VMOVUPS(Mem{Base: arg("skip")}, skip)
	VMOVUPS(Mem{Base: arg("dSkip")}, dSkip)
	rows := func(name string) Mem { return Mem{Base: arg(name), Index: at, Scale: 1} }
	Label("backward")
	dt, u, du, dy, sumBS, sumAq := YMM(), YMM(), YMM(), YMM(), YMM(), YMM()
	VMOVUPS(rows("delta"), dt)
	VMOVUPS(rows("u"), u)
	VMULPS(u, dt, du)
	VMOVUPS(rows("dy"), dy)
	VFMADD231PS(u, dy, dSkip)
	VXORPS(sumBS, sumBS, sumBS)
	VXORPS(sumAq, sumAq, sumAq)
	for k := range n {
		s, q := YMM(), YMM()
		VBROADCASTSS(Mem{Base: c, Disp: 4 * k}, s)
		VFMADD213PS(Mem{Base: carry, Disp: 32 * k}, dy, s) // S = dy·c + carry
		VMOVUPS(Mem{Base: dBC, Disp: row + 32*k}, q)
		VFMADD231PS(Mem{Base: hist, Disp: row + 32*k}, dy, q)
		VMOVUPS(q, Mem{Base: dBC, Disp: row + 32*k})
		q = YMM()
		VMOVUPS(Mem{Base: dBC, Disp: 32 * k}, q)
		VFMADD231PS(du, s, q)
		VMOVUPS(q, Mem{Base: dBC, Disp: 32 * k})
		q = YMM()
		VBROADCASTSS(Mem{Base: b, Disp: 4 * k}, q)
		VFMADD231PS(q, s, sumBS)
		VMULPS(Mem{Base: decay, Disp: 32 * k}, s, s)
		VMOVUPS(s, Mem{Base: carry, Disp: 32 * k})
		VMULPS(Mem{Base: hist, Disp: 32 * k}, s, s) // q = S·a·h[t-1]
		VFMADD231PS(Mem{Base: a2, Disp: 32 * k}, s, sumAq)
		VFMADD213PS(Mem{Base: dA, Disp: 32 * k}, dt, s)
		VMOVUPS(s, Mem{Base: dA, Disp: 32 * k})
	}
	VMULPS(constant("ln2", 0.693147180559945309), sumAq, sumAq)
	VFMADD231PS(u, sumBS, sumAq)
	VMOVUPS(sumAq, rows("dDelta"))
	VMULPS(skip, dy, dy)
	VFMADD231PS(dt, sumBS, dy)
	VMOVUPS(dy, rows("dU"))
	SUBQ(arg("ld"), at)
	{
		bs := arg("bs")
		SUBQ(bs, b)
		SUBQ(bs, c)
	}
	SUBQ(U32(row), hist)
	SUBQ(U32(row), decay)
	SUBQ(U32(2*row), dBC)
	DECQ(steps)
	JNZ(LabelRef("backward"))
	VMOVUPS(dSkip, Mem{Base: arg("dSkip")})
}

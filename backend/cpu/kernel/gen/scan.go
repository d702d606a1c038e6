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
	d := &decayRegs{}
	if !wide {
		d.magic = pin(constant("magic", 12582912))
	}
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
	if wide {
		each(func(i int) { VRNDSCALEPS(U8(0), z[i], t[i]) })
		each(func(i int) { VSUBPS(t[i], z[i], z[i]) })
	} else {
		each(func(i int) { VMINPS(constant("decayHigh", 126), z[i], z[i]) })
		each(func(i int) { VADDPS(d.magic, z[i], t[i]) })
		each(func(i int) { VSUBPS(d.magic, t[i], p[i]) })
		each(func(i int) { VSUBPS(p[i], z[i], z[i]) })
	}
	each(func(i int) { VMOVAPS(d.c[0], p[i]) })
	for _, c := range d.c[1:] {
		each(func(i int) { VFMADD213PS(c, z[i], p[i]) })
	}
	each(func(i int) { VFMADD213PS(constant("one", 1), z[i], p[i]) })
	if wide {
		each(func(i int) { VSCALEFPS(t[i], p[i], p[i]) })
		return
	}
	each(func(i int) { VPSLLD(U8(23), t[i], t[i]) })
	each(func(i int) { VPADDD(t[i], p[i], p[i]) })
}

// times computes y = x·v for a value v in memory.
func times(v Mem, x, y VecVirtual) {
	if wide {
		VMULPS_BCST(v, x, y)
		return
	}
	VBROADCASTSS(v, y)
	VMULPS(x, y, y)
}

// addTimes adds x·v to sum, for a value v in memory.
func addTimes(v Mem, x, sum VecVirtual) {
	if wide {
		VFMADD231PS_BCST(v, x, sum)
		return
	}
	t := vector()
	VBROADCASTSS(v, t)
	VFMADD231PS(t, x, sum)
}

// states are the N states of a block: in registers where these hold them.
type states struct {
	held []VecVirtual
	mem  func(k int) Mem
}

func loadStates(n int, mem func(k int) Mem) states {
	s := states{mem: mem}
	if wide && n <= 16 {
		s.held = registers(n)
		for k, h := range s.held {
			VMOVUPS(mem(k), h)
		}
	}
	return s
}

// next computes the state a·h + x, in a register that is a or its own.
func (s states) next(k int, a, x VecVirtual) VecVirtual {
	if s.held != nil {
		VFMADD213PS(x, a, s.held[k])
		return s.held[k]
	}
	VFMADD132PS(s.mem(k), x, a)
	return a
}

// scanForward is one block, lanes are channels.
func scanForward(n int) {
	begin(fmt.Sprintf("ScanForward%d", n), "func(steps int, delta, u, y *float32, ld int, b, c *float32, bs int, a2, h, skip *float32)",
		fmt.Sprintf("is scanForwardGeneric for N = %d; ld and bs in bytes.", n))
	steps, delta, u, y, ld := arg("steps"), arg("delta"), arg("u"), arg("y"), arg("ld")
	b, c, bs, a2, h, skip := arg("b"), arg("c"), arg("bs"), arg("a2"), arg("h"), arg("skip")
	d := pinDecay()
	state := loadStates(n, func(k int) Mem { return Mem{Base: h, Disp: bytes * k} })
	Label("step")
	dt, du, sum := vector(), vector(), vector()
	VMOVUPS(Mem{Base: delta}, dt)
	VMOVUPS(Mem{Base: u}, du)
	VMULPS(Mem{Base: skip}, du, sum)
	VMULPS(dt, du, du)
	for k := 0; k < n; k += 2 {
		z, t, p := registers(2), registers(2), registers(2)
		for i := range z {
			VMULPS(Mem{Base: a2, Disp: bytes * (k + i)}, dt, z[i])
		}
		d.decays(z, t, p)
		for i := range z {
			times(Mem{Base: b, Disp: 4 * (k + i)}, du, z[i])
		}
		for i := range z {
			p[i] = state.next(k+i, p[i], z[i])
		}
		for i := range z {
			if state.held == nil {
				VMOVUPS(p[i], state.mem(k+i))
			}
			addTimes(Mem{Base: c, Disp: 4 * (k + i)}, p[i], sum)
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
	for k, v := range state.held {
		VMOVUPS(v, state.mem(k))
	}
	end()
}

// scanBackward is one block: states and decays are recomputed into hist and
// decay, then the adjoint runs down. Row pointers that are used once a step
// are read from the argument frame each time; the others fill the registers.
func scanBackward(n int) {
	begin(fmt.Sprintf("ScanBackward%d", n),
		"func(steps int, delta, u, dy, dDelta, dU *float32, ld int, b, c *float32, bs int, a2, carry, dA, skip, dSkip, h, hist, decay, dBC *float32)",
		fmt.Sprintf("is scanBackwardGeneric for N = %d; ld and bs in bytes.", n))
	recompute(n)
	adjoint(n)
	end()
}

func recompute(n int) {
	steps, delta, u, ld := arg("steps"), arg("delta"), arg("u"), arg("ld")
	b, bs, a2, h, hist, decay := arg("b"), arg("bs"), arg("a2"), arg("h"), arg("hist"), arg("decay")
	tmp := vector()
	for k := range n {
		VMOVUPS(Mem{Base: h, Disp: bytes * k}, tmp)
		VMOVUPS(tmp, Mem{Base: hist, Disp: bytes * k})
	}
	d := pinDecay()
	state := loadStates(n, func(k int) Mem { return Mem{Base: hist, Disp: bytes * k} })
	Label("forward")
	dt, du := vector(), vector()
	VMOVUPS(Mem{Base: delta}, dt)
	VMULPS(Mem{Base: u}, dt, du)
	for k := 0; k < n; k += 2 {
		z, t, p := registers(2), registers(2), registers(2)
		for i := range z {
			VMULPS(Mem{Base: a2, Disp: bytes * (k + i)}, dt, z[i])
		}
		d.decays(z, t, p)
		for i := range z {
			VMOVUPS(p[i], Mem{Base: decay, Disp: bytes * (k + i)})
			times(Mem{Base: b, Disp: 4 * (k + i)}, du, z[i])
		}
		for i := range z {
			VMOVUPS(state.next(k+i, p[i], z[i]), Mem{Base: hist, Disp: bytes * (n + k + i)})
		}
	}
	ADDQ(ld, delta)
	ADDQ(ld, u)
	ADDQ(bs, b)
	ADDQ(U32(bytes*n), hist)
	ADDQ(U32(bytes*n), decay)
	DECQ(steps)
	JNZ(LabelRef("forward"))
}

func adjoint(n int) {
	row := bytes * n // of one [N][lanes] record
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
	skip, dSkip := vector(), vector()
	VMOVUPS(Mem{Base: arg("skip")}, skip)
	VMOVUPS(Mem{Base: arg("dSkip")}, dSkip)
	rows := func(name string) Mem { return Mem{Base: arg(name), Index: at, Scale: 1} }
	Label("backward")
	dt, u, du, dy, sumBS, sumAq := vector(), vector(), vector(), vector(), vector(), vector()
	VMOVUPS(rows("delta"), dt)
	VMOVUPS(rows("u"), u)
	VMULPS(u, dt, du)
	VMOVUPS(rows("dy"), dy)
	VFMADD231PS(u, dy, dSkip)
	VXORPS(sumBS, sumBS, sumBS)
	VXORPS(sumAq, sumAq, sumAq)
	for k := range n {
		s, q := vector(), vector()
		VBROADCASTSS(Mem{Base: c, Disp: 4 * k}, s)
		VFMADD213PS(Mem{Base: carry, Disp: bytes * k}, dy, s) // S = dy·c + carry
		VMOVUPS(Mem{Base: dBC, Disp: row + bytes*k}, q)
		VFMADD231PS(Mem{Base: hist, Disp: row + bytes*k}, dy, q)
		VMOVUPS(q, Mem{Base: dBC, Disp: row + bytes*k})
		q = vector()
		VMOVUPS(Mem{Base: dBC, Disp: bytes * k}, q)
		VFMADD231PS(du, s, q)
		VMOVUPS(q, Mem{Base: dBC, Disp: bytes * k})
		q = vector()
		VBROADCASTSS(Mem{Base: b, Disp: 4 * k}, q)
		VFMADD231PS(q, s, sumBS)
		VMULPS(Mem{Base: decay, Disp: bytes * k}, s, s)
		VMOVUPS(s, Mem{Base: carry, Disp: bytes * k})
		VMULPS(Mem{Base: hist, Disp: bytes * k}, s, s) // q = S·a·h[t-1]
		VFMADD231PS(Mem{Base: a2, Disp: bytes * k}, s, sumAq)
		VFMADD213PS(Mem{Base: dA, Disp: bytes * k}, dt, s)
		VMOVUPS(s, Mem{Base: dA, Disp: bytes * k})
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

// laneSums joins the lanes of 8 vectors at a time.
func laneSums() {
	begin("LaneSums", "func(n int, dst, src *float32)", "is laneSumsGeneric for n a multiple of 8, above 0.")
	n, dst, src := arg("n"), arg("dst"), arg("src")
	Label("loop")
	var level []VecVirtual
	for i := range 8 {
		y := YMM()
		VMOVUPS(Mem{Base: src, Disp: bytes * i}, y)
		if wide {
			VADDPS(Mem{Base: src, Disp: bytes*i + 32}, y, y)
		}
		level = append(level, y)
	}
	for len(level) > 2 {
		var next []VecVirtual
		for i := 0; i < len(level); i += 2 {
			VHADDPS(level[i+1], level[i], level[i])
			next = append(next, level[i])
		}
		level = next
	}
	low, high := YMM(), YMM()
	VPERM2F128(U8(0x20), level[1], level[0], low)
	VPERM2F128(U8(0x31), level[1], level[0], high)
	VADDPS(high, low, low)
	VMOVUPS(low, Mem{Base: dst})
	ADDQ(U32(8*bytes), src)
	ADDQ(U8(32), dst)
	SUBQ(U8(8), n)
	JNZ(LabelRef("loop"))
	end()
}

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
	begin(fmt.Sprintf("ScanForward%d", n), "func(steps int, delta, u, y *float32, ld, ahead int, b, c *float32, bs int, a2, h, skip *float32)",
		fmt.Sprintf("is scanForwardGeneric for N = %d; ld and bs in bytes.", n))
	steps, delta, u, y, ld := arg("steps"), arg("delta"), arg("u"), arg("y"), arg("ld")
	b, c, bs, a2, h, skip := arg("b"), arg("c"), arg("bs"), arg("a2"), arg("h"), arg("skip")
	d, ahead := pinDecay(), arg("ahead")
	state := loadStates(n, func(k int) Mem { return Mem{Base: h, Disp: bytes * k} })
	Label("step")
	for _, p := range []Register{delta, u, y} {
		PREFETCHT0(Mem{Base: p, Index: ahead, Scale: 1})
	}
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
		"func(steps int, delta, u, dy, dDelta, dU *float32, ld, ahead int, b, c *float32, bs int, a2, carry, dA, skip, dSkip, h, hist, decay, dBC *float32)",
		fmt.Sprintf("is scanBackwardGeneric for N = %d; ld and bs in bytes.", n))
	recompute(n)
	adjoint(n)
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

// adjointSteps is the number of steps that adjoint takes together: as many as the registers
// hold. What belongs to a state is then read and written once for all of them.
func adjointSteps() int {
	if wide {
		return 4
	}
	return 2
}

// adjoint runs the adjoint recurrence down.
func adjoint(n int) {
	a := newAdjointRegs(n)
	tile := adjointSteps()
	Label("tile")
	CMPQ(a.steps, U8(tile))
	JLT(LabelRef("single"))
	a.run(tile)
	JMP(LabelRef("tile"))
	Label("single")
	TESTQ(a.steps, a.steps)
	JZ(LabelRef("done"))
	a.run(1)
	JMP(LabelRef("single"))
	Label("done")
	end()
}

// adjointRegs are addresses. at is the offset of the last step that is left in delta, u, dy,
// dDelta and dU; all others point to what belongs to that step.
type adjointRegs struct {
	n, row                          int // bytes of one [N][lanes] record
	steps, at, b, c                 Register
	a2, carry, dA, hist, decay, dBC Register
	back, back3                     Register // minus the stride of b and c, once and three times
}

func newAdjointRegs(n int) *adjointRegs {
	a := &adjointRegs{n: n, row: bytes * n, steps: arg("steps"), at: GP64(), b: arg("b"), c: arg("c")}
	a.a2, a.carry, a.dA = arg("a2"), arg("carry"), arg("dA")
	a.hist, a.decay, a.dBC = arg("hist"), arg("decay"), arg("dBC")
	MOVQ(a.steps, a.at)
	DECQ(a.at)
	off := GP64()
	IMUL3Q(U32(a.row), a.at, off)
	ADDQ(off, a.hist)
	ADDQ(off, a.decay)
	IMUL3Q(U32(partRow(n)), a.at, off)
	ADDQ(off, a.dBC)
	off = arg("bs").(GPVirtual)
	IMULQ(a.at, off)
	ADDQ(off, a.b)
	ADDQ(off, a.c)
	IMULQ(arg("ld"), a.at)
	a.back, a.back3 = arg("bs"), GP64()
	NEGQ(a.back)
	if adjointSteps() > 3 {
		LEAQ(Mem{Base: a.back, Index: a.back, Scale: 2}, a.back3)
	}
	return a
}

// partRow is the number of bytes of dB and dC of one step, in 8 lanes each.
func partRow(n int) int { return 2 * 32 * n }

// adjointStep is one step of a tile, in registers.
type adjointStep struct{ dt, du, dy, sumBS, sumAq VecVirtual }

// run takes the last steps that are left.
func (a *adjointRegs) run(steps int) {
	tile := make([]adjointStep, steps) // the last step first
	at := GP64()
	MOVQ(a.at, at)
	row := func(name string) Mem { return Mem{Base: arg(name), Index: at, Scale: 1} }
	expected := func(name string) Mem {
		m := row(name)
		ADDQ(inFrame("ahead"), m.Base)
		return m
	}
	for i := range tile {
		s := adjointStep{vector(), vector(), vector(), zeroed(), zeroed()}
		VMOVUPS(row("delta"), s.dt)
		VMULPS(row("u"), s.dt, s.du)
		VMOVUPS(row("dy"), s.dy)
		for _, name := range []string{"delta", "u", "dy"} {
			PREFETCHT0(expected(name))
		}
		SUBQ(arg("ld"), at)
		tile[i] = s
	}
	for k := range a.n {
		a.state(k, tile)
	}
	skip, dSkip, u := vector(), vector(), vector()
	VMOVUPS(Mem{Base: arg("skip")}, skip)
	VMOVUPS(Mem{Base: arg("dSkip")}, dSkip)
	MOVQ(a.at, at)
	for _, s := range tile {
		VMOVUPS(row("u"), u)
		VFMADD231PS(u, s.dy, dSkip)
		VMULPS(constant("ln2", 0.693147180559945309), s.sumAq, s.sumAq)
		VFMADD231PS(u, s.sumBS, s.sumAq)
		VMOVUPS(s.sumAq, row("dDelta"))
		VMULPS(skip, s.dy, s.dy)
		VFMADD231PS(s.dt, s.sumBS, s.dy)
		VMOVUPS(s.dy, row("dU"))
		PREFETCHT0(expected("dDelta"))
		PREFETCHT0(expected("dU"))
		SUBQ(arg("ld"), at)
	}
	VMOVUPS(dSkip, Mem{Base: arg("dSkip")})
	MOVQ(at, a.at)
	for range tile {
		ADDQ(a.back, a.b)
		ADDQ(a.back, a.c)
	}
	SUBQ(U32(steps*a.row), a.hist)
	SUBQ(U32(steps*a.row), a.decay)
	SUBQ(U32(steps*partRow(a.n)), a.dBC)
	SUBQ(U8(steps), a.steps)
}

// value is where state k of b or c lies, i steps before the last.
func (a *adjointRegs) value(base Register, i, k int) Mem {
	m := Mem{Base: base, Disp: 4 * k}
	switch i {
	case 1, 2:
		m.Index, m.Scale = a.back, uint8(i)
	case 3:
		m.Index, m.Scale = a.back3, 1
	}
	return m
}

// state runs one state over the steps of a tile.
func (a *adjointRegs) state(k int, tile []adjointStep) {
	mem := func(base Register, step int) Mem { return Mem{Base: base, Disp: bytes*k - step*a.row} }
	carry, dA, after := vector(), vector(), vector()
	VMOVUPS(mem(a.carry, 0), carry)
	VMOVUPS(mem(a.dA, 0), dA)
	VMOVUPS(mem(a.hist, -1), after)
	for i, s := range tile {
		part := Mem{Base: a.dBC, Disp: 32*k - i*partRow(a.n)}
		addTimes(a.value(a.c, i, k), s.dy, carry) // S = dy·c + carry
		addPart(s.dy, after, part.Offset(partRow(a.n)/2))
		addPart(s.du, carry, part)
		addTimes(a.value(a.b, i, k), carry, s.sumBS)
		VMULPS(mem(a.decay, i), carry, carry)
		VMOVUPS(mem(a.hist, i), after)
		q := vector() // S·a·h[t-1]
		VMULPS(after, carry, q)
		VFMADD231PS(mem(a.a2, 0), q, s.sumAq)
		VFMADD231PS(s.dt, q, dA)
	}
	VMOVUPS(carry, mem(a.carry, 0))
	VMOVUPS(dA, mem(a.dA, 0))
}

// addPart adds x·y to 8 lanes in memory.
func addPart(x, y VecVirtual, part Mem) {
	p := vector()
	if !wide {
		VMOVUPS(part, p)
		VFMADD231PS(x, y, p)
		VMOVUPS(p, part)
		return
	}
	high := YMM()
	VMULPS(x, y, p)
	VEXTRACTF64X4(U8(1), p, high)
	VADDPS(p.AsY(), high, high)
	VADDPS(part, high, high)
	VMOVUPS(high, part)
}

// laneSums joins the lanes of 8 records of 8 at a time.
func laneSums() {
	begin("LaneSums", "func(n int, dst, src *float32)", "is laneSumsGeneric for n a multiple of 8, above 0.")
	n, dst, src := arg("n"), arg("dst"), arg("src")
	Label("loop")
	var level []VecVirtual
	for i := range 8 {
		y := YMM()
		VMOVUPS(Mem{Base: src, Disp: 32 * i}, y)
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
	ADDQ(U32(256), src)
	ADDQ(U8(32), dst)
	SUBQ(U8(8), n)
	JNZ(LabelRef("loop"))
	end()
}

package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// gemmKernels emits products of up to mr rows with one or two vectors of columns, and what
// packs their operands. mr is what fits the registers: two vectors of sums a row, two of B,
// two of A.
func gemmKernels() {
	mr := 6
	if wide {
		mr = 14
	}
	for vectors := 1; vectors <= 2; vectors++ {
		for r := 1; r <= mr; r++ {
			micro(r, vectors)
		}
	}
	packTranspose(2 * lanes)
	packRows(2 * lanes)
	packPanels(2 * lanes)
	packPanels(mr)
	if wide {
		packNarrow()
	} else {
		packRows(mr)
	}
}

// matrixRows addresses rows that lie a stride apart: each base serves five.
type matrixRows struct {
	base            []Register
	stride, stride3 Register
}

// rowsOf loads a matrix's address and stride, named by its arguments.
func rowsOf(name, stride string, rows int) matrixRows {
	return rowsAt(arg(name), arg(stride), rows)
}

// rowsAt are rows stride bytes apart, from a register on, which is theirs.
func rowsAt(first, stride Register, rows int) matrixRows {
	m := matrixRows{base: []Register{first}, stride: stride, stride3: GP64()}
	if rows > 3 {
		LEAQ(Mem{Base: m.stride, Index: m.stride, Scale: 2}, m.stride3)
	}
	for r := 5; r < rows; r += 5 {
		next := GP64()
		LEAQ(Mem{Base: m.base[r/5-1], Index: m.stride, Scale: 4}, next)
		ADDQ(m.stride, next)
		m.base = append(m.base, next)
	}
	return m
}

func (m matrixRows) at(row, disp int) Mem {
	at := Mem{Base: m.base[row/5], Disp: disp}
	switch row % 5 {
	case 1, 2, 4:
		at.Index, at.Scale = m.stride, uint8(row%5)
	case 3:
		at.Index, at.Scale = m.stride3, 1
	}
	return at
}

// advance moves all rows by step bytes.
func (m matrixRows) advance(step Op) {
	for _, b := range m.base {
		ADDQ(step, b)
	}
}

// micro is a block of rows and vectors of columns of a product. All sums stay in registers.
func micro(rows, vectors int) {
	begin(fmt.Sprintf("Micro%dx%d", rows, vectors), microSignature("float32"),
		fmt.Sprintf("is microGeneric for %d rows and %d columns; strides in bytes.", rows, vectors*lanes))
	microBody(rows, vectors, func(x, y, sum Op) { VFMADD231PS(x, y, sum) })
}

func microSignature(operand string) string {
	return fmt.Sprintf("func(kc int, a *%s, ars, acs int, b *%s, bs int, c *float32, ldc int, acc, with int, next *float32, ldn, rows int)", operand, operand)
}

// microBody is the body of micro-kernels. It names its registers itself, for instructions
// that the assembler does not know.
func microBody(rows, vectors int, multiplyAdd func(x, y, sum Op)) {
	ask := asking(rows, vectors)
	a, acs := rowsOf("a", "ars", rows), arg("acs")
	b, bs := arg("b"), arg("bs")
	next := 0
	take := func() Op {
		size := S256
		if wide {
			size = S512
		}
		next++
		return Vector.Lookup(Index(next-1), size)
	}
	sum := make([][]Op, rows)
	for i := range sum {
		for range vectors {
			s := take()
			VXORPS(s, s, s)
			sum[i] = append(sum[i], s)
		}
	}
	bv, t := make([]Op, vectors), [2]Op{take(), take()}
	for j := range bv {
		bv[j] = take()
	}
	step := func() {
		for j, v := range bv {
			VMOVUPS(Mem{Base: b, Disp: bytes * j}, v)
		}
		ADDQ(bs, b)
		for i := range sum {
			VBROADCASTSS(a.at(i, 0), t[i&1])
			for j, v := range bv {
				multiplyAdd(v, t[i&1], sum[i][j])
			}
		}
		a.advance(acs)
	}
	k := arg("kc")
	SHRQ(U8(2), k)
	JZ(LabelRef("rest"))
	Label("four")
	for i := range 4 {
		step()
		if i%2 == 0 {
			ask()
		}
	}
	DECQ(k)
	JNZ(LabelRef("four"))
	Label("rest")
	k = arg("kc")
	ANDQ(U8(3), k)
	JZ(LabelRef("store"))
	Label("one")
	step()
	DECQ(k)
	JNZ(LabelRef("one"))
	Label("store")
	c := rowsOf("c", "ldc", rows)
	acc := arg("acc")
	TESTQ(acc, acc)
	JZ(LabelRef("put"))
	for i, row := range sum {
		for j, s := range row {
			VADDPS(c.at(i, bytes*j), s, s)
		}
	}
	Label("put")
	for i, row := range sum {
		for j, s := range row {
			VMOVUPS(s, c.at(i, bytes*j))
		}
	}
	end()
}

// asking returns what asks memory for the next row of c, and for what lies with it; after the
// last one for rows of next, over and over. Asked for one by one between multiplications, they
// come by the time they are needed, and never fill the list of what a core waits for.
func asking(rows, vectors int) func() {
	row, stride, with, left := arg("c"), arg("ldc"), arg("with"), GP64()
	MOVQ(U32(rows), left)
	return func() {
		for line := 0; line < vectors*bytes; line += 64 {
			PREFETCHT0(Mem{Base: row, Disp: line})
			PREFETCHT0(Mem{Base: row, Index: with, Scale: 1, Disp: line})
		}
		ADDQ(stride, row)
		DECQ(left)
		CMOVQEQ(left, with)
		CMOVQEQ(inFrame("next"), row)
		CMOVQEQ(inFrame("ldn"), stride)
		CMOVQEQ(inFrame("rows"), left)
	}
}

// packTranspose turns rows into columns, 8 × 8 values at a time. It takes 16 columns of 8 rows
// together, so that it is done with a cache line before rows that lie a power of two apart
// drive it out.
func packTranspose(rows int) {
	begin("PackT", "func(kc int, src *float32, ld int, dst *float32)",
		fmt.Sprintf("is packTGeneric for %d rows and kc a multiple of 8; ld in bytes.", rows))
	k, dst := arg("kc"), arg("dst")
	src := rowsOf("src", "ld", 8)
	block := func(columns int) {
		group := matrixRows{base: append([]Register(nil), src.base...), stride: src.stride, stride3: src.stride3}
		for at := 0; at < rows; at += 8 {
			if at > 0 {
				for i, b := range group.base {
					next := GP64()
					LEAQ(Mem{Base: b, Index: src.stride, Scale: 8}, next)
					group.base[i] = next
				}
			}
			for first := 0; first < columns; first += 8 {
				for i, v := range transposed(group, 4*first) {
					VMOVUPS(v, Mem{Base: dst, Disp: 4 * ((first+i)*rows + at)})
				}
			}
		}
		src.advance(U8(4 * columns))
		ADDQ(U32(4*columns*rows), dst)
		SUBQ(U8(columns), k)
	}
	Label("sixteen")
	CMPQ(k, U8(16))
	JLT(LabelRef("eight"))
	block(16)
	JMP(LabelRef("sixteen"))
	Label("eight")
	CMPQ(k, U8(8))
	JLT(LabelRef("done"))
	block(8)
	Label("done")
	end()
}

// transposed loads 8 rows of 8 values from disp on and returns their columns.
func transposed(rows matrixRows, disp int) []VecVirtual {
	var r, t, q, columns [8]VecVirtual
	for i := range r {
		r[i] = YMM()
		VMOVUPS(rows.at(i, disp), r[i])
	}
	for i := 0; i < 8; i += 2 {
		t[i], t[i+1] = YMM(), YMM()
		VUNPCKLPS(r[i+1], r[i], t[i])
		VUNPCKHPS(r[i+1], r[i], t[i+1])
	}
	for i := range q {
		q[i] = YMM()
		lo := i / 4 * 4
		VSHUFPS(U8([2]uint8{0x44, 0xEE}[i%2]), t[lo+2+i%4/2], t[lo+i%4/2], q[i])
	}
	for i := range 4 {
		for side, sel := range []uint8{0x20, 0x31} {
			columns[i+4*side] = YMM()
			VPERM2F128(U8(sel), q[i+4], q[i], columns[i+4*side])
		}
	}
	return columns[:]
}

// packRows copies rows of some values that lie ld apart, four rows at a time.
func packRows(width int) {
	begin(fmt.Sprintf("Pack%d", width), "func(kc int, src *float32, ld int, dst *float32)",
		fmt.Sprintf("is packGeneric for %d columns; ld in bytes.", width))
	k, src, ld, dst := arg("kc"), arg("src"), arg("ld"), arg("dst")
	row := func(i int) {
		for at := 0; at < width; {
			at += copyPart(Mem{Base: src, Disp: 4 * at}, Mem{Base: dst, Disp: 4 * (width*i + at)}, width-at)
		}
		ADDQ(ld, src)
	}
	Label("four")
	CMPQ(k, U32(4))
	JLT(LabelRef("rest"))
	for i := range 4 {
		row(i)
	}
	ADDQ(U32(16*width), dst)
	SUBQ(U8(4), k)
	JMP(LabelRef("four"))
	Label("rest")
	TESTQ(k, k)
	JZ(LabelRef("done"))
	row(0)
	ADDQ(U32(4*width), dst)
	DECQ(k)
	JMP(LabelRef("rest"))
	Label("done")
	end()
}

// packPanels copies rows into several panels that lie side by side in the source, and asks
// for rows to come: memory sends whole runs, and is asked for each once. All rows but the
// last may write a little more than their values, where the next row's will be.
func packPanels(width int) {
	begin(fmt.Sprintf("PackPanels%d", width), "func(kc, panels int, src *float32, ld int, dst *float32, apart int)",
		fmt.Sprintf("is packPanelsGeneric for %d columns, kc and panels above 0; ld and apart in bytes.", width))
	k, panels, src, ld, dst, apart := arg("kc"), arg("panels"), arg("src"), arg("ld"), arg("dst"), arg("apart")
	ahead, from, to, n := GP64(), GP64(), GP64(), GP64()
	row := func(name string, copyRow func()) {
		MOVQ(src, from)
		MOVQ(dst, to)
		MOVQ(panels, n)
		Label(name)
		copyRow()
		ADDQ(U32(4*width), from)
		ADDQ(apart, to)
		DECQ(n)
		JNZ(LabelRef(name))
	}
	LEAQ(Mem{Base: ld, Index: ld, Scale: 2}, ahead)
	Label("rows")
	CMPQ(k, U8(1))
	JEQ(LabelRef("last"))
	row("panels", func() {
		for at := 0; at < width; at += lanes {
			PREFETCHT0(Mem{Base: from, Index: ahead, Scale: 2, Disp: 4 * at})
			v := vector()
			VMOVUPS(Mem{Base: from, Disp: 4 * at}, v)
			VMOVUPS(v, Mem{Base: to, Disp: 4 * at})
		}
	})
	ADDQ(ld, src)
	ADDQ(U32(4*width), dst)
	DECQ(k)
	JMP(LabelRef("rows"))
	Label("last")
	row("rest", func() {
		for at := 0; at < width; {
			at += copyPart(Mem{Base: from, Disp: 4 * at}, Mem{Base: to, Disp: 4 * at}, width-at)
		}
	})
	end()
}

// packNarrow copies rows of up to 16 values under a mask.
func packNarrow() {
	begin("PackNarrow", "func(kc, width int, src *float32, ld int, dst *float32)", "is packGeneric for up to 16 columns; ld in bytes.")
	k, width, src, ld, dst := arg("kc"), arg("width"), arg("src"), arg("ld"), arg("dst")
	mask := firstLanes(width)
	step, step3 := GP64(), GP64()
	MOVQ(width, step)
	SHLQ(U8(2), step)
	LEAQ(Mem{Base: step, Index: step, Scale: 2}, step3)
	ld3 := GP64()
	LEAQ(Mem{Base: ld, Index: ld, Scale: 2}, ld3)
	from := matrixRows{base: []Register{src}, stride: ld, stride3: ld3}
	to := matrixRows{base: []Register{dst}, stride: step, stride3: step3}
	rows := func(count int) {
		for i := range count {
			VMOVUPS(loadTail(from.at(i, 0), mask), mask, to.at(i, 0))
		}
		if count == 4 {
			LEAQ(Mem{Base: src, Index: ld, Scale: 4}, src)
			LEAQ(Mem{Base: dst, Index: step, Scale: 4}, dst)
		} else {
			ADDQ(ld, src)
			ADDQ(step, dst)
		}
		SUBQ(U8(count), k)
	}
	Label("four")
	CMPQ(k, U8(4))
	JLT(LabelRef("rest"))
	rows(4)
	JMP(LabelRef("four"))
	Label("rest")
	TESTQ(k, k)
	JZ(LabelRef("done"))
	rows(1)
	JMP(LabelRef("rest"))
	Label("done")
	end()
}

// copyPart copies as many of the values as one register holds, and tells their number.
func copyPart(from, to Mem, values int) int {
	var v VecVirtual
	switch {
	case values >= lanes:
		v = vector()
	case values >= 8:
		v = YMM()
	case values >= 4:
		v = XMM()
	default:
		v = XMM()
		VMOVSD(from, v)
		VMOVSD(v, to)
		return 2
	}
	VMOVUPS(from, v)
	VMOVUPS(v, to)
	return int(v.Size()) / 4
}

// peak is the fastest loop there is: 24 independent multiply-adds, no memory.
func peak() {
	begin("Peak", "func(iterations int)", fmt.Sprintf("does %d floating-point operations an iteration, to measure the machine.", 48*lanes))
	n := arg("iterations")
	var acc [12]VecVirtual
	for i := range acc {
		acc[i] = zeroed()
	}
	a := zeroed()
	Label("loop")
	for range 2 {
		for i := range acc {
			VFMADD231PS(a, a, acc[i])
		}
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	end()
}

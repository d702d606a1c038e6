package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// element is what a matrix holds that meets one row. A vector of memory holds several
// vectors of float32 when elements are narrow; those are taken out of it in whatever order
// is cheapest, summed so, and put into the order of the columns once, at the end.
type element struct {
	name, goType string
	size         int
	// part is vector i of those that raw holds.
	part func(i int, raw VecVirtual) VecVirtual
	// unit is what each part is too large by.
	unit float64
	// restored are the parts with their columns in order.
	restored func(v []VecVirtual) []VecVirtual
}

func (e element) parts() int { return 4 / e.size }

var elements = []element{
	{"", "float32", 4, func(_ int, raw VecVirtual) VecVirtual { return raw }, 1, nil},
	{"BF16", "uint16", 2, bfloat16Part, 1, bfloat16Restored},
	{"Int8", "int8", 1, int8Part, 1 << 24, int8Restored},
}

// bfloat16Part takes the even columns, which are the lower halves, or the odd ones.
func bfloat16Part(i int, raw VecVirtual) VecVirtual {
	w := vector()
	switch {
	case i == 0:
		VPSLLD(U8(16), raw, w)
	case wide:
		VPANDD(bits("upperHalf", 0xffff0000), raw, w)
	default:
		VPAND(bits("upperHalf", 0xffff0000), raw, w)
	}
	return w
}

func bfloat16Restored(v []VecVirtual) []VecVirtual {
	low, high := vector(), vector() // four columns of each eight
	VUNPCKLPS(v[1], v[0], low)
	VUNPCKHPS(v[1], v[0], high)
	out := registers(2)
	if !wide {
		VPERM2F128(U8(0x20), high, low, out[0])
		VPERM2F128(U8(0x31), high, low, out[1])
		return out
	}
	VSHUFF32X4(U8(0x44), high, low, out[0])
	VSHUFF32X4(U8(0xee), high, low, out[1])
	for _, x := range out {
		VSHUFF32X4(U8(0xd8), x, x, x)
	}
	return out
}

// int8Part takes four columns of each sixteen, each into the upper byte of 32 bits.
func int8Part(i int, raw VecVirtual) VecVirtual {
	w := vector()
	VPSHUFB(int8Places(i), raw, w)
	VCVTDQ2PS(w, w)
	return w
}

// int8Places sends bytes 4·i … 4·i+3 of each 16 to the upper bytes of four float32, and zero
// elsewhere.
func int8Places(i int) Mem {
	name := "places" + string(rune('0'+i))
	if m, ok := constants[name]; ok {
		return m
	}
	m := GLOBL("c_"+name, RODATA|NOPTR)
	for l := range lanes {
		DATA(4*l, U32(uint32(4*i+l%4)<<24|0x808080))
	}
	constants[name] = m
	return m
}

func int8Restored(v []VecVirtual) []VecVirtual {
	out := registers(4)
	if !wide {
		for i, from := range []struct {
			half uint64
			at   int
		}{{0x20, 0}, {0x20, 2}, {0x31, 0}, {0x31, 2}} {
			VPERM2F128(U8(from.half), v[from.at+1], v[from.at], out[i])
		}
		return out
	}
	half := registers(4) // quarters 0 and 1 of parts 0, 1 and of 2, 3, then quarters 2 and 3
	for i, q := range []uint64{0x44, 0xee} {
		VSHUFF32X4(U8(q), v[1], v[0], half[2*i])
		VSHUFF32X4(U8(q), v[3], v[2], half[2*i+1])
	}
	for i := range out {
		VSHUFF32X4(U8([]uint64{0x88, 0xdd}[i%2]), half[i/2*2+1], half[i/2*2], out[i])
	}
	return out
}

// gemvRows is how many rows are added at a time, so that y is read and written once for all.
const gemvRows = 8

// gemv asks memory for what lies ahead in the order in which it lies there, a row behind the
// other, although several rows are added at a time: so it arrives twice as fast.
func gemv(e element) {
	step := lanes * e.parts()
	what := "adds x[0]·b[0,:] … x[8·groups-1]·b[8·groups-1,:] to y, in that order"
	if e.parts() > 1 {
		what += "; y is zero before"
	}
	begin("Gemv"+e.name, "func(groups, n int, y, x *float32, b *"+e.goType+", ldb, start, ahead, parts, across, skip int)",
		fmt.Sprintf("%s. groups and n are above 0, n a multiple of %d, ldb in bytes. So many parts of %d bytes are asked of memory from start bytes on, the first ahead of them at once; a row has across of them, and skip bytes follow.", what, step, gemvRows*bytes))
	groups, x, b, ldb := arg("groups"), arg("x"), arg("b"), arg("ldb")
	a := newAsker(b, gemvRows)
	a.askAhead("group")
	v := registers(gemvRows)
	for i := range v {
		VBROADCASTSS(Mem{Base: x, Disp: 4 * i}, v[i])
	}
	at := GP64()
	MOVQ(b, at)
	rows := rowsAt(at, ldb, gemvRows)
	y, n := arg("y"), arg("n")
	Label("columns")
	a.ask("asked")
	s := registers(e.parts())
	for i := range s {
		VMOVUPS(Mem{Base: y, Disp: bytes * i}, s[i])
	}
	for r := range v {
		if e.parts() == 1 {
			VFMADD231PS(rows.at(r, 0), v[r], s[0])
			continue
		}
		raw := vector()
		VMOVUPS(rows.at(r, 0), raw)
		for i := range s {
			VFMADD231PS(e.part(i, raw), v[r], s[i])
		}
	}
	for i := range s {
		VMOVUPS(s[i], Mem{Base: y, Disp: bytes * i})
	}
	ADDQ(U32(bytes*e.parts()), y)
	rows.advance(U8(bytes))
	SUBQ(U32(step), n)
	JNZ(LabelRef("columns"))
	ADDQ(U8(4*gemvRows), x)
	LEAQ(Mem{Base: b, Index: ldb, Scale: gemvRows}, b)
	DECQ(groups)
	JNZ(LabelRef("group"))
	if e.restored != nil {
		restore(e, step)
	}
	end()
}

// asker walks through a matrix ahead of what multiplies it: parts are left, of which left are
// in the row.
type asker struct {
	at, parts, left Register
	rows            int // of a part
}

func newAsker(b Register, rows int) asker {
	a := asker{GP64(), arg("parts"), arg("across"), rows}
	MOVQ(b, a.at)
	ADDQ(arg("start"), a.at)
	return a
}

// askAhead asks for the first parts at once, and then begins what is called next.
func (a asker) askAhead(next string) {
	ahead := arg("ahead")
	TESTQ(ahead, ahead)
	JZ(LabelRef(next))
	Label("ahead")
	a.ask("askedAhead")
	DECQ(ahead)
	JNZ(LabelRef("ahead"))
	Label(next)
}

// ask asks for the next part, which is as large as what a step of its rows takes.
func (a asker) ask(label string) {
	DECQ(a.parts)
	JS(LabelRef(label))
	size := a.rows * bytes
	for line := 0; line < size; line += 64 {
		PREFETCHT1(Mem{Base: a.at, Disp: line})
	}
	ADDQ(U32(size), a.at)
	DECQ(a.left)
	JNZ(LabelRef(label))
	ADDQ(arg("skip"), a.at)
	MOVQ(arg("across"), a.left)
	Label(label)
}

// restore puts the columns of y into order, and takes out the unit.
func restore(e element, step int) {
	y, n := arg("y"), arg("n")
	Label("restore")
	s := registers(e.parts())
	for i := range s {
		VMOVUPS(Mem{Base: y, Disp: bytes * i}, s[i])
	}
	for i, v := range e.restored(s) {
		if e.unit != 1 {
			VMULPS(constant("unit"+e.name, 1/e.unit), v, v)
		}
		VMOVUPS(v, Mem{Base: y, Disp: bytes * i})
	}
	ADDQ(U32(bytes*e.parts()), y)
	SUBQ(U32(step), n)
	JNZ(LabelRef("restore"))
}

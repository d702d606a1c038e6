package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// lanesOf loads and stores vectors of columns: whole ones, or the last lanes under a mask.
type lanesOf struct {
	load  func(Mem) VecVirtual
	store func(VecVirtual, Mem)
}

// columns emits body for each vector of width columns; moving is what advances by a vector.
func columns(width Register, moving []Register, body func(part string, l lanesOf)) {
	Label("columns")
	CMPQ(width, U32(lanes))
	JLT(LabelRef("tail"))
	body("whole", lanesOf{
		load: func(m Mem) VecVirtual {
			x := vector()
			VMOVUPS(m, x)
			return x
		},
		store: func(x VecVirtual, m Mem) { VMOVUPS(x, m) },
	})
	for _, r := range moving {
		ADDQ(U32(bytes), r)
	}
	SUBQ(U32(lanes), width)
	JMP(LabelRef("columns"))
	Label("tail")
	TESTQ(width, width)
	JZ(LabelRef("done"))
	mask := tailMask(width)
	body("masked", lanesOf{
		load:  func(m Mem) VecVirtual { return loadTail(m, mask) },
		store: func(x VecVirtual, m Mem) { storeTail(x, mask, m) },
	})
	Label("done")
	end()
}

// downRows repeats step for all rows of x and y, which it leaves where they were.
func downRows(label string, x matrixRows, y, ldy Register, step func(x matrixRows, y Mem)) {
	xt, yt, n := GP64(), GP64(), arg("rows")
	MOVQ(x.base[0], xt)
	MOVQ(y, yt)
	Label(label)
	step(matrixRows{base: []Register{xt}, stride: x.stride, stride3: x.stride3}, Mem{Base: yt})
	ADDQ(x.stride, xt)
	ADDQ(ldy, yt)
	DECQ(n)
	JNZ(LabelRef(label))
}

// conv4 holds the taps of a vector of channels in registers and goes down the rows.
func conv4() {
	begin("Conv4", "func(rows, width int, x *float32, ld int, w *float32, ldw int, bias, y *float32, ldy int)",
		"is convRowsGeneric for 4 taps and at least one row; ld, ldw and ldy in bytes.")
	width, x, w, bias, y, ldy := arg("width"), rowsOf("x", "ld", 4), rowsOf("w", "ldw", 4), arg("bias"), arg("y"), arg("ldy")
	columns(width, []Register{x.base[0], w.base[0], bias, y}, func(part string, l lanesOf) {
		var taps [4]VecVirtual
		for j := range taps {
			taps[j] = l.load(w.at(j, 0))
		}
		b := l.load(Mem{Base: bias})
		downRows(part, x, y, ldy, func(row matrixRows, to Mem) {
			sum := vector()
			VMOVAPS(b, sum)
			for j, tap := range taps {
				VFMADD231PS(l.load(row.at(j, 0)), tap, sum)
			}
			l.store(sum, to)
		})
	})
}

// conv4Weights holds the sums of a vector of channels in registers and goes down the rows.
func conv4Weights() {
	begin("Conv4Weights", "func(rows, width int, x *float32, ld int, dy *float32, ldy int, part *float32, ldp int)",
		"is convWeightsGeneric for 4 taps and at least one row; ld, ldy and ldp in bytes.")
	width, x, dy, ldy, sums := arg("width"), rowsOf("x", "ld", 4), arg("dy"), arg("ldy"), rowsOf("part", "ldp", 5)
	columns(width, []Register{x.base[0], dy, sums.base[0]}, func(part string, l lanesOf) {
		var sum [5]VecVirtual
		for j := range sum {
			sum[j] = l.load(sums.at(j, 0))
		}
		downRows(part, x, dy, ldy, func(row matrixRows, from Mem) {
			d := l.load(from)
			for j := range 4 {
				VFMADD231PS(l.load(row.at(j, 0)), d, sum[j])
			}
			VADDPS(d, sum[4], sum[4])
		})
		for j, s := range sum {
			l.store(s, sums.at(j, 0))
		}
	})
}

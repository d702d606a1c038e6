package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// touch reads a little of each line. The processor then sees that one line follows the other,
// and asks for the next ones in time, which brings more than asking for each.
func touch() {
	begin("Touch", "func(lines int, x *byte)", "is touchGeneric for lines of 64 bytes, above 0.")
	lines, x, v := arg("lines"), arg("x"), GP64()
	Label("line")
	MOVQ(Mem{Base: x}, v)
	ADDQ(U8(64), x)
	DECQ(lines)
	JNZ(LabelRef("line"))
	RET()
}

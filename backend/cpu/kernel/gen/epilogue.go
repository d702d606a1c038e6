package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// epilogueKernels emit what happens to a block that a micro-kernel has just left in L1.
func epilogueKernels() {
	blockRows("AddRows", "is addRowsGeneric", true, func(z, o VecVirtual) VecVirtual {
		VADDPS(o, z, z)
		return z
	})
	blockRows("ReLURows", "is reluRowsGeneric", false, func(z, _ VecVirtual) VecVirtual { return relu(z) })
	blockRows("ReLUGradRows", "is reluGradRowsGeneric", true, func(z, o VecVirtual) VecVirtual { return reluGrad(o, z) })
}

// blockRows emits a loop over rows of as many columns as a micro-kernel computes: body maps one
// vector of z, and one of o where it reads that.
func blockRows(name, doc string, reads bool, body func(z, o VecVirtual) VecVirtual) {
	signature := "func(rows int, z *float32, ldz int)"
	if reads {
		signature = "func(rows int, z *float32, ldz int, o *float32, ldo int)"
	}
	begin(name, signature, doc+" for rows above 0; strides in bytes.")
	n, z, ldz := arg("rows"), arg("z"), arg("ldz")
	var o, ldo Register
	if reads {
		o, ldo = arg("o"), arg("ldo")
	}
	Label("row")
	for at := 0; at < 2*bytes; at += bytes {
		x, y := vector(), vector()
		VMOVUPS(Mem{Base: z, Disp: at}, x)
		if reads {
			VMOVUPS(Mem{Base: o, Disp: at}, y)
		}
		VMOVUPS(body(x, y), Mem{Base: z, Disp: at})
	}
	ADDQ(ldz, z)
	if reads {
		ADDQ(ldo, o)
	}
	DECQ(n)
	JNZ(LabelRef("row"))
	end()
}

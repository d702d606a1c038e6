package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// The width that is generated. Every kernel is written once, in terms of these: AVX2 has
// vectors of 8 lanes and takes a vector of all ones or zeros for a mask, AVX-512 has 16 lanes
// and registers for masks.
var (
	prefix string // of the names of functions
	lanes  int
	bytes  int // of a vector
	wide   bool
)

func setLevel(name string) {
	prefix, lanes, wide = name, 8, name == "avx512"
	if wide {
		lanes = 16
	}
	bytes = 4 * lanes
}

// vector is a new register.
func vector() VecVirtual {
	if wide {
		return ZMM()
	}
	return YMM()
}

func registers(n int) []VecVirtual {
	r := make([]VecVirtual, n)
	for i := range r {
		r[i] = vector()
	}
	return r
}

// zeroed is a new register of zeros.
func zeroed() VecVirtual {
	z := vector()
	VXORPS(z, z, z)
	return z
}

// Predicates of compare, which are false for NaN.
const (
	equal       = 0x00
	less        = 0x11
	notLess     = 0x05 // true for NaN
	ordered     = 0x07
	unordered   = 0x03 // true for NaN
	greaterThan = 0x1e
)

// compare tells where x stands in the relation to y.
func compare(relation uint8, x VecVirtual, y Op) Register {
	var c Register
	if wide {
		c = K()
	} else {
		c = YMM()
	}
	VCMPPS(U8(relation), y, x, c)
	return c
}

// negative tells where the sign bit of x is set.
func negative(x VecVirtual) Register {
	if !wide {
		return x
	}
	k := K()
	VPMOVD2M(x, k)
	return k
}

// choose sets to = yes where c holds, no elsewhere.
func choose(c Register, yes Op, no, to VecVirtual) {
	if wide {
		VBLENDMPS(yes, no, c, to)
		return
	}
	VBLENDVPS(c, yes, no, to)
}

// keep sets to = x where c holds, zero elsewhere.
func keep(c Register, x Op, to VecVirtual) {
	if wide {
		VMOVUPS_Z(x, c, to)
		return
	}
	VANDPS(x, c, to)
}

// tailMask tells the first n lanes, 0 < n < lanes.
func tailMask(n Register) Register {
	if wide {
		return firstLanes(n)
	}
	at, base := GP64(), GP64()
	MOVQ(U32(lanes), at)
	SUBQ(n, at)
	LEAQ(laneMask(), base)
	y := YMM()
	VMOVUPS(Mem{Base: base, Index: at, Scale: 4}, y)
	return y
}

// firstLanes tells the first n of 16 lanes, 0 < n ≤ 16.
func firstLanes(n Register) Register {
	ones, k := GP32(), K()
	MOVL(U32(0xffff), ones)
	BZHIL(n.(GPVirtual).As32(), ones, ones)
	KMOVW(ones, k)
	return k
}

// loadTail loads the lanes of the mask; the others are zero.
func loadTail(from Mem, mask Register) VecVirtual {
	x := vector()
	if wide {
		VMOVUPS_Z(from, mask, x)
	} else {
		VMASKMOVPS(from, mask, x)
	}
	return x
}

func storeTail(x VecVirtual, mask Register, to Mem) {
	if wide {
		VMOVUPS(x, mask, to)
		return
	}
	VMASKMOVPS(x, mask, to)
}

// laneMask is 8 times all ones, then 8 times zero: 32 bytes read at 4·(8-r)
// select the first r lanes.
func laneMask() Mem {
	const name = "lanes"
	if m, ok := constants[name]; ok {
		return m
	}
	m := GLOBL("c_lanes", RODATA|NOPTR)
	for i := range 16 {
		v := uint32(0)
		if i < 8 {
			v = ^uint32(0)
		}
		DATA(4*i, U32(v))
	}
	constants[name] = m
	return m
}

type joiner func(a, b Op, c VecVirtual)

// folded joins the halves of v until 8 lanes are left.
func folded(v VecVirtual, join joiner) VecVirtual {
	y := YMM()
	if !wide {
		VMOVAPS(v, y)
		return y
	}
	VEXTRACTF64X4(U8(1), v, y)
	join(v.AsY(), y, y)
	return y
}

// joined is the lanes of v joined, in the first lane.
func joined(v VecVirtual, join joiner) VecVirtual {
	y, high := folded(v, join), YMM()
	VPERM2F128(U8(0x11), y, y, high)
	join(high, y, y)
	VPERMILPS(U8(0x4e), y, high)
	join(high, y, y)
	VPERMILPS(U8(0xb1), y, high)
	join(high, y, y)
	return y
}

// foldLanes joins the lanes of v and stores the result as the return value.
func foldLanes(v VecVirtual, join joiner) { Store(joined(v, join).AsX(), ReturnIndex(0)) }

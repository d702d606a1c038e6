package kernel

import "github.com/moezoo/moezoo/half"

// gemvBF16Generic adds a row vector times a matrix of bfloat16: y[j] += Σ_p x[p]·b[p*ldb+j].
// The sum runs over p in order. b reaches to the end of the matrix; the last argument tells that
// the rows before were added by the same core, and matters for speed only.
func gemvBF16Generic(y, x []float32, b []uint16, ldb int, _ bool) {
	for p, v := range x {
		for j, h := range b[p*ldb : p*ldb+len(y)] {
			y[j] += v * half.FromBFloat16(h)
		}
	}
}

// gemvInt8Generic is gemvBF16Generic for int8.
func gemvInt8Generic(y, x []float32, b []int8, ldb int, _ bool) {
	for p, v := range x {
		for j, q := range b[p*ldb : p*ldb+len(y)] {
			y[j] += v * float32(q)
		}
	}
}

// dotBF16Generic: Σ x·b.
func dotBF16Generic(x []float32, b []uint16) float32 {
	var s float32
	for i, h := range b[:len(x)] {
		s += x[i] * half.FromBFloat16(h)
	}
	return s
}

// dotInt8Generic: Σ x·b.
func dotInt8Generic(x []float32, b []int8) float32 {
	var s float32
	for i, q := range b[:len(x)] {
		s += x[i] * float32(q)
	}
	return s
}

// widenInt8Generic: dst = b.
func widenInt8Generic(dst []float32, b []int8) {
	for i, q := range b[:len(dst)] {
		dst[i] = float32(q)
	}
}

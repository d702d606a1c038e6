package kernel

import "math"

// Constants of the exponential, shared by every level.
const (
	expLow   = -104.0 // exp of less is below half the smallest denormal
	expHigh  = 89.0   // exp of more overflows
	log2E    = 1.44269504088896341
	ln2      = 0.693147180559945309
	ln2High  = 0.693359375 // 10 bits: n*ln2High is exact for |n| < 2^14
	ln2Low   = -2.12194440e-4
	roundMag = 12582912.0 // 1.5·2^23: adding it rounds to an integer held in the low bits
)

// expPoly is (exp(r)-1-r)/r² on |r| ≤ ln2/2, highest power first; the relative
// error of the exponential built from it is below 2^-25 before rounding
// (coefficients of the Cephes library's expf).
var expPoly = [6]float32{1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1}

// exp32 is e^x to 2 units in the last place, with exp(-Inf) = 0, exp(+Inf) =
// +Inf, gradual underflow, and NaN for NaN.
func exp32(x float32) float32 {
	switch {
	case x != x:
		return x
	case x < expLow:
		return 0
	case x > expHigh:
		return float32(math.Inf(1))
	}
	n := float32(x*log2E) + roundMag
	n -= roundMag
	r := x - n*ln2High
	r -= n * ln2Low
	p := expPoly[0]
	for _, c := range expPoly[1:] {
		p = p*r + c
	}
	p = p*r*r + r + 1
	// Two factors, so that 2^n may leave the range of normal numbers.
	k := int32(n)
	h := k >> 1
	return p * pow2(h) * pow2(k-h)
}

// pow2 is 2^k for -126 ≤ k ≤ 127.
func pow2(k int32) float32 { return math.Float32frombits(uint32(k+127) << 23) }

// exp2Poly is 2^f on |f| ≤ 1/2, highest power first: the polynomial of degree 5
// and constant term 1 with the least largest error in units in the last place,
// 1.08 before rounding (Remez).
var exp2Poly = [6]float32{1.3225707225501537e-3, 9.671762585639954e-3, 5.550891533493996e-2, 2.4022236466407776e-1, 6.931468248367310e-1, 1}

// decay32 is 2^z for the decay factors of a scan: to 2 units in the last
// place for |z| ≤ 126, and 2^±126 beyond. A decay that small is as good as zero.
func decay32(z float32) float32 {
	z = min(max(z, -126), 126)
	n := z + roundMag
	k := n - roundMag
	f := z - k
	p := exp2Poly[0]
	for _, c := range exp2Poly[1:] {
		p = p*f + c
	}
	return math.Float32frombits(math.Float32bits(p) + uint32(int32(k))<<23)
}

func sigmoid32(x float32) float32 { return 1 / (1 + exp32(-x)) }

func softplus32(x float32) float32 {
	if x > 20 {
		return x
	}
	return float32(math.Log1p(float64(exp32(x))))
}

func tanh32(x float32) float32 { return float32(math.Tanh(float64(x))) }

// normalCDF is Φ(x) = (1 + erf(x/√2))/2.
func normalCDF(x float32) float32 { return float32(0.5 * math.Erfc(-float64(x)*math.Sqrt2/2)) }

// normalPDF is φ(x) = exp(-x²/2)/√(2π).
func normalPDF(x float32) float32 { return exp32(-0.5*x*x) * 0.398942280401432678 }

package kernel

import "math"

// dotGeneric: Σ x·y.
func dotGeneric(x, y []float32) float32 {
	var s0, s1, s2, s3 float32
	y = y[:len(x)]
	i := 0
	for ; i+4 <= len(x); i += 4 {
		s0 += x[i] * y[i]
		s1 += x[i+1] * y[i+1]
		s2 += x[i+2] * y[i+2]
		s3 += x[i+3] * y[i+3]
	}
	for ; i < len(x); i++ {
		s0 += x[i] * y[i]
	}
	return (s0 + s1) + (s2 + s3)
}

// dot3Generic: Σ x·y·z.
func dot3Generic(x, y, z []float32) float32 {
	var s0, s1 float32
	i := 0
	for ; i+2 <= len(x); i += 2 {
		s0 += x[i] * y[i] * z[i]
		s1 += x[i+1] * y[i+1] * z[i+1]
	}
	if i < len(x) {
		s0 += x[i] * y[i] * z[i]
	}
	return s0 + s1
}

// sumGeneric: Σ x.
func sumGeneric(x []float32) float32 {
	var s0, s1, s2, s3 float32
	i := 0
	for ; i+4 <= len(x); i += 4 {
		s0 += x[i]
		s1 += x[i+1]
		s2 += x[i+2]
		s3 += x[i+3]
	}
	for ; i < len(x); i++ {
		s0 += x[i]
	}
	return (s0 + s1) + (s2 + s3)
}

// maxGeneric: the largest value, -Inf for none. NaN wins.
func maxGeneric(x []float32) float32 {
	m := float32(math.Inf(-1))
	for _, v := range x {
		m = max(m, v)
	}
	return m
}

// expSumGeneric: dst = exp(x-shift); returns Σ dst.
func expSumGeneric(dst, x []float32, shift float32) float32 {
	for i, v := range x {
		dst[i] = exp32(v - shift)
	}
	return sumGeneric(dst[:len(x)])
}

// scaledGeneric: dst = x·r·g.
func scaledGeneric(dst, x, g []float32, r float32) {
	for i, v := range x {
		dst[i] = v * r * g[i]
	}
}

// combineGeneric: dst = a·dy·g + b·x + c.
func combineGeneric(dst, dy, g, x []float32, a, b, c float32) {
	for i, v := range x {
		dst[i] = a*dy[i]*g[i] + b*v + c
	}
}

// shiftGeneric: dst = x + a.
func shiftGeneric(dst, x []float32, a float32) {
	for i, v := range x {
		dst[i] = v + a
	}
}

// accumulateGeneric: dst += a·x·y.
func accumulateGeneric(dst, x, y []float32, a float32) {
	for i, v := range x {
		dst[i] += a * v * y[i]
	}
}

// sumSquaresGeneric: Σ x², in float64.
func sumSquaresGeneric(x []float32) float64 {
	var s0, s1, s2, s3 float64
	i := 0
	for ; i+4 <= len(x); i += 4 {
		a, b, c, d := float64(x[i]), float64(x[i+1]), float64(x[i+2]), float64(x[i+3])
		s0 += a * a
		s1 += b * b
		s2 += c * c
		s3 += d * d
	}
	for ; i < len(x); i++ {
		s0 += float64(x[i]) * float64(x[i])
	}
	return (s0 + s1) + (s2 + s3)
}

package kernel

import "math"

// expGeneric: dst = exp(x).
func expGeneric(dst, x []float32) {
	for i, v := range x {
		dst[i] = exp32(v)
	}
}

// sigmoidGeneric: dst = 1/(1+exp(-x)).
func sigmoidGeneric(dst, x []float32) {
	for i, v := range x {
		dst[i] = sigmoid32(v)
	}
}

// siluGeneric: dst = x·σ(x).
func siluGeneric(dst, x []float32) {
	for i, v := range x {
		dst[i] = v * sigmoid32(v)
	}
}

// siluGradGeneric: dx = dy·σ(x)·(1 + x·(1-σ(x))).
func siluGradGeneric(dx, x, dy []float32) {
	for i, v := range x {
		s := sigmoid32(v)
		dx[i] = dy[i] * s * (1 + v*(1-s))
	}
}

// softplusGeneric: dst = log(1+exp(x)), and x itself above 20.
func softplusGeneric(dst, x []float32) {
	for i, v := range x {
		dst[i] = softplus32(v)
	}
}

// softplusGradGeneric: dx = dy·σ(x), and dy above 20.
func softplusGradGeneric(dx, x, dy []float32) {
	for i, v := range x {
		if v > 20 {
			dx[i] = dy[i]
		} else {
			dx[i] = dy[i] * sigmoid32(v)
		}
	}
}

// tanhGeneric: dst = tanh(x).
func tanhGeneric(dst, x []float32) {
	for i, v := range x {
		dst[i] = tanh32(v)
	}
}

// geluGeneric: dst = x·Φ(x), Φ(x) = (1+erf(x/√2))/2.
func geluGeneric(dst, x []float32) {
	for i, v := range x {
		dst[i] = v * normalCDF(v)
	}
}

// geluGradGeneric: dx = dy·(Φ(x) + x·φ(x)).
func geluGradGeneric(dx, x, dy []float32) {
	for i, v := range x {
		dx[i] = dy[i] * (normalCDF(v) + v*normalPDF(v))
	}
}

// reluGeneric: dst = max(x, 0); NaN stays NaN.
func reluGeneric(dst, x []float32) {
	for i, v := range x {
		dst[i] = max(v, 0)
	}
}

// reluGradGeneric: dx = dy where x > 0, else 0.
func reluGradGeneric(dx, x, dy []float32) {
	for i, v := range x {
		if v > 0 {
			dx[i] = dy[i]
		} else {
			dx[i] = 0
		}
	}
}

// logGeneric: dst = ln x.
func logGeneric(dst, x []float32) {
	for i, v := range x {
		dst[i] = float32(math.Log(float64(v)))
	}
}

// log1pGeneric: dst = ln(1+x).
func log1pGeneric(dst, x []float32) {
	for i, v := range x {
		dst[i] = float32(math.Log1p(float64(v)))
	}
}

// addGeneric: dst = x + y.
func addGeneric(dst, x, y []float32) {
	for i, v := range x {
		dst[i] = v + y[i]
	}
}

// mulGeneric: dst = x·y.
func mulGeneric(dst, x, y []float32) {
	for i, v := range x {
		dst[i] = v * y[i]
	}
}

// mulAddGeneric: dst += x·y.
func mulAddGeneric(dst, x, y []float32) {
	for i, v := range x {
		dst[i] += v * y[i]
	}
}

// axpyGeneric: dst += a·x.
func axpyGeneric(dst []float32, a float32, x []float32) {
	for i, v := range x {
		dst[i] += a * v
	}
}

// scaleGeneric: dst = a·x.
func scaleGeneric(dst []float32, a float32, x []float32) {
	for i, v := range x {
		dst[i] = a * v
	}
}

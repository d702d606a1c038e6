//go:build amd64 && !noasm

package kernel

func scanStepOf(f func(channels, row int, delta, u, y, a, b, c, h *float32)) func(n int, delta, u, y, a, b, c, h []float32) {
	return func(n int, delta, u, y, a, b, c, h []float32) {
		f(len(y), 4*n, &delta[0], &u[0], &y[0], &a[0], &b[0], &c[0], &h[0])
	}
}

// convStepOf is for two taps or more. Of four, AVX2 takes eight channels at a time on every level.
func convStepOf(f func(channels, taps int, x, w, bias, past, y, next *float32)) func(taps int, x, w, bias, past, y, next []float32) {
	return func(taps int, x, w, bias, past, y, next []float32) {
		n, k := 0, taps-1
		if taps == 4 {
			n = len(y) &^ 7
		}
		if n > 0 {
			avx2ConvStep4(n, &x[0], &w[0], &bias[0], &past[0], &y[0], &next[0])
		}
		if n < len(y) {
			f(len(y)-n, taps, &x[n], &w[n*taps], &bias[n], &past[n*k], &y[n], &next[n*k])
		}
	}
}

// ssdStepOf is for states that are whole vectors.
func ssdStepOf(lanes int, f func(rows, row int, decay float32, x, b, c, h, y *float32)) func(decay float32, x, b, c, h, y []float32) {
	return func(decay float32, x, b, c, h, y []float32) {
		if len(b)%lanes != 0 || len(b) == 0 || len(x) == 0 {
			ssdStepGeneric(decay, x, b, c, h, y)
			return
		}
		f(len(x), 4*len(b), decay, &x[0], &b[0], &c[0], &h[0], &y[0])
	}
}

// deltaStepOf is for a number of columns that four vectors divide.
func deltaStepOf(lanes int, f func(rows int, decay float32, k, q, u, s *float32, ld int, o *float32)) func(decay float32, k, q, u, s, o []float32) {
	return func(decay float32, k, q, u, s, o []float32) {
		if len(u)%(4*lanes) != 0 || len(k) == 0 {
			deltaStepGeneric(decay, k, q, u, s, o)
			return
		}
		for j := 0; j < len(u); j += 4 * lanes {
			f(len(k), decay, &k[0], &q[0], &u[j], &s[j], 4*len(u), &o[j])
		}
	}
}

// diagonalStepOf is for modes that fill whole vectors.
func diagonalStepOf(lanes int, f func(channels, row int, u, a, w, h, y *float32)) func(u, a, w, h, y []float32) {
	return func(u, a, w, h, y []float32) {
		if n := len(h) / len(y); n > 0 && n%lanes == 0 {
			f(len(y), 4*n, &u[0], &a[0], &w[0], &h[0], &y[0])
			return
		}
		diagonalStepGeneric(u, a, w, h, y)
	}
}

func quaternaryOf(f func(n int, dst, x, y, z, w *float32)) func(dst, x, y, z, w []float32) {
	return func(dst, x, y, z, w []float32) { f(len(dst), ptr(dst), ptr(x), ptr(y), ptr(z), ptr(w)) }
}

type (
	diagonalForwardFunc  = func(width, steps int, u, y, a, w *float32, stride int, h *float32, halfH int)
	diagonalBackwardFunc = func(width, steps int, u, dy, a, w *float32, stride int, h *float32, halfH int, du, carry, sums *float32, halfSum, nextSum int, hist *float32)
)

// diagonalKernel is the kernel for as many outputs as a block has, and how many of its channels it
// takes: none, where there is no kernel or nothing to do.
func diagonalKernel[F any](s diagonalBlock, lanes int, one, two F) (run F, whole int) {
	run, whole = one, s.width/lanes*lanes
	if s.outputs == 2 {
		run = two
	}
	if s.outputs == 0 || s.outputs > 2 || s.steps == 0 {
		whole = 0
	}
	return run, whole
}

// diagonalForwardOf is for one output and two, and channels that fill whole vectors.
func diagonalForwardOf(lanes int, one, two diagonalForwardFunc) func(s diagonalBlock) {
	return func(s diagonalBlock) {
		run, whole := diagonalKernel(s, lanes, one, two)
		if whole > 0 {
			run(4*whole, s.steps, &s.u[0], &s.y[0], &s.a[0], &s.w[0], 4*s.stride, &s.h[0], 4*s.halfH)
		}
		if whole < s.width {
			diagonalForwardGeneric(s.rest(whole))
		}
	}
}

func diagonalBackwardOf(lanes int, one, two diagonalBackwardFunc) func(s diagonalBlock) {
	return func(s diagonalBlock) {
		run, whole := diagonalKernel(s, lanes, one, two)
		if whole > 0 {
			run(4*whole, s.steps, &s.u[0], &s.y[0], &s.a[0], &s.w[0], 4*s.stride, &s.h[0], 4*s.halfH,
				&s.du[0], &s.carry[0], &s.sums[0], 4*s.halfSum, 4*s.nextSum, &s.hist[0])
		}
		if whole < s.width {
			diagonalBackwardGeneric(s.rest(whole))
		}
	}
}

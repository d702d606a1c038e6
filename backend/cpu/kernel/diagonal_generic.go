package kernel

// diagonalBlock is one mode of some channels of one sequence over at most DiagonalChunk steps.
// Everything has the channel last; the two halves of complex numbers are rows of their own.
type diagonalBlock struct {
	width, steps, outputs int

	// Rows of channels, stride apart: of a step's input, of the outputs of each step, and of the
	// two halves of complex constants.
	u, y   []float32 // [steps], [steps][outputs]
	a, w   []float32 // [2], [outputs][2] with imaginary parts negated
	stride int

	h     []float32 // [2], halves halfH apart: the state, which forward updates and backward reads
	halfH int

	// Backward only; y is the gradient of the outputs.
	du      []float32 // rows as u, added to
	carry   []float32 // as a: ā·S[t+1], updated
	sums    []float32 // [1+outputs][2]: of the gradients of a and of w, added to; halves halfSum apart
	halfSum int
	nextSum int
	hist    []float32 // [17][2][width], scratch
}

// diagonalForwardGeneric is, for each channel,
//
//	h = a·h + u[t]    y[t,o] = y[t,o] + Re(w[o]·h)
func diagonalForwardGeneric(s diagonalBlock) {
	n := s.width
	re, im := s.h[:n], s.h[s.halfH:s.halfH+n]
	for t := range s.steps {
		s.next(re, im, re, im, t)
		for o := range s.outputs {
			y := s.y[(t*s.outputs+o)*s.stride:][:n]
			wRe, wIm := s.w[2*o*s.stride:][:n], s.w[(2*o+1)*s.stride:][:n]
			for c, v := range y {
				y[c] = v + wRe[c]*re[c] + wIm[c]*im[c]
			}
		}
	}
}

// next sets (re2, im2) = a·(re, im) + u[t].
func (s *diagonalBlock) next(re2, im2, re, im []float32, t int) {
	n := s.width
	aRe, aIm := s.a[:n], s.a[s.stride:s.stride+n]
	for c, u := range s.u[t*s.stride:][:n] {
		x, y := re[c], im[c]
		re2[c], im2[c] = aRe[c]*x+u-aIm[c]*y, aRe[c]*y+aIm[c]*x
	}
}

// diagonalBackwardGeneric runs the steps forward again, and then backwards, for each channel:
//
//	S = carry + Σ_o w̄[o]·dy[t,o]       dw[o] = dw[o] + dy[t,o]·h̄[t]
//	du[t] = du[t] + Re S               da    = da + S·h̄[t-1]         carry = ā·S
func diagonalBackwardGeneric(s diagonalBlock) {
	n := s.width
	at := func(t int) (re, im []float32) { return s.hist[2*t*n:][:n], s.hist[(2*t+1)*n:][:n] }
	re, im := at(0)
	copy(re, s.h[:n])
	copy(im, s.h[s.halfH:])
	for t := range s.steps {
		re2, im2 := at(t + 1)
		s.next(re2, im2, re, im, t)
		re, im = re2, im2
	}
	aRe, aIm := s.a[:n], s.a[s.stride:][:n]
	cRe, cIm := s.carry[:n], s.carry[s.stride:][:n]
	sumRe, sumIm := s.sums[:n], s.sums[s.halfSum:][:n]
	for t := s.steps - 1; t >= 0; t-- {
		for o := range s.outputs {
			wRe, wIm := s.w[2*o*s.stride:][:n], s.w[(2*o+1)*s.stride:][:n]
			sums := s.sums[(1+o)*s.nextSum:]
			dRe, dIm := sums[:n], sums[s.halfSum:][:n]
			for c, dy := range s.y[(t*s.outputs+o)*s.stride:][:n] {
				cRe[c] += wRe[c] * dy
				cIm[c] += wIm[c] * dy
				dRe[c] += dy * re[c]
				dIm[c] -= dy * im[c]
			}
		}
		re, im = at(t)
		for c, du := range s.du[t*s.stride:][:n] {
			x, y := cRe[c], cIm[c]
			s.du[t*s.stride+c] = du + x
			sumRe[c] += x*re[c] + y*im[c]
			sumIm[c] += y*re[c] - x*im[c]
			cRe[c], cIm[c] = aRe[c]*x+aIm[c]*y, aRe[c]*y-aIm[c]*x
		}
	}
}

// rest is the block without its first channels.
func (s diagonalBlock) rest(channels int) diagonalBlock {
	s.width -= channels
	for _, x := range []*[]float32{&s.u, &s.y, &s.a, &s.w, &s.h, &s.du, &s.carry, &s.sums} {
		*x = from(*x, channels)
	}
	return s
}

package kernel

// scanBlock is active.scanLanes channels ("lanes" below) of one sequence over at most
// ScanChunk steps. Per-channel values are stored with the channel last: [N][lanes].
type scanBlock struct {
	// Rows of lanes values, ld apart.
	delta, u, y []float32
	ld          int
	// Rows of N values, bs apart.
	b, c []float32
	bs   int

	a2   []float32 // [N][lanes]: A·log₂e
	skip []float32 // [lanes]
	h    []float32 // [N][lanes]: state; forward updates it, backward reads the checkpoint

	// Backward only.
	dy, dDelta, dU []float32 // rows as delta
	carry          []float32 // [N][lanes]: a[t+1]·S[t+1], updated
	dA             []float32 // [N][lanes], added to
	dSkip          []float32 // [lanes], added to
	dBC            []float32 // [steps][2][N][8]: dB then dC, added to by lane modulo 8
	hist           []float32 // [steps+1][N][lanes] states, then [steps][N][lanes] decays
}

// scanForwardGeneric runs the recurrence for each lane:
//
//	a = 2^(Δ·a2)    h[n] = a·h[n] + Δ·u·b[n]    y = Σ_n c[n]·h[n] + skip·u
func scanForwardGeneric(n, steps int, s scanBlock) {
	lanes := active.scanLanes
	for t := range steps {
		dt, u, y := s.delta[t*s.ld:], s.u[t*s.ld:], s.y[t*s.ld:]
		b, c := s.b[t*s.bs:t*s.bs+n], s.c[t*s.bs:t*s.bs+n]
		for l := range lanes {
			du := dt[l] * u[l]
			sum := s.skip[l] * u[l]
			for k, bk := range b {
				i := k*lanes + l
				h := decay32(dt[l]*s.a2[i])*s.h[i] + du*bk
				s.h[i] = h
				sum += c[k] * h
			}
			y[l] = sum
		}
	}
}

// scanBackwardGeneric recomputes the states of the block from the checkpoint
// and runs the adjoint recurrence, for t downwards:
//
//	S = dy·c + carry        q = S·a·h[t-1]       carry' = S·a
//	dC += dy·h[t]           dB += Δ·u·S          dA += Δ·q      dskip += dy·u
//	du = skip·dy + Δ·Σ_n b·S                     dΔ = Σ_n (A·q + u·b·S)
func scanBackwardGeneric(n, steps int, s scanBlock) {
	lanes := active.scanLanes
	w := n * lanes
	hist, decay := s.hist[:(steps+1)*w], s.hist[(steps+1)*w:]
	copy(hist[:w], s.h[:w])
	for t := range steps {
		dt, u := s.delta[t*s.ld:], s.u[t*s.ld:]
		for k := range n {
			bk := s.b[t*s.bs+k]
			for l := range lanes {
				i := k*lanes + l
				a := decay32(dt[l] * s.a2[i])
				decay[t*w+i] = a
				hist[(t+1)*w+i] = a*hist[t*w+i] + dt[l]*u[l]*bk
			}
		}
	}
	for t := steps - 1; t >= 0; t-- {
		s.adjointStep(n, t, hist[t*w:(t+2)*w], decay[t*w:(t+1)*w])
	}
}

// adjointStep is one step of the adjoint recurrence; h holds the states before
// and after step t.
func (s *scanBlock) adjointStep(n, t int, h, decay []float32) {
	lanes := active.scanLanes
	w := n * lanes
	dB, dC := s.dBC[16*t*n:16*t*n+8*n], s.dBC[16*t*n+8*n:16*(t+1)*n]
	row := t * s.ld
	for l := range lanes {
		dt, u, dy := s.delta[row+l], s.u[row+l], s.dy[row+l]
		s.dSkip[l] += dy * u
		var sumBS, sumAq float32
		for k := range n {
			i := k*lanes + l
			g := dy*s.c[t*s.bs+k] + s.carry[i]
			dC[k*8+l%8] += dy * h[w+i]
			dB[k*8+l%8] += dt * u * g
			sumBS += s.b[t*s.bs+k] * g
			g *= decay[i]
			s.carry[i] = g
			q := g * h[i]
			sumAq += s.a2[i] * q
			s.dA[i] += dt * q
		}
		s.dDelta[row+l] = ln2*sumAq + u*sumBS
		s.dU[row+l] = s.skip[l]*dy + dt*sumBS
	}
}

// laneSumsGeneric: dst[i] = Σ_l src[i*8+l], pairs first.
func laneSumsGeneric(dst, src []float32) {
	for i := range dst {
		v := (*[8]float32)(src[8*i:])
		dst[i] = ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]))
	}
}

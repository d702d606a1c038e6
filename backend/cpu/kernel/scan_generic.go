package kernel

// scanLanes is the number of channels a scan block holds side by side.
const scanLanes = 8

// scanBlock is scanLanes channels of one sequence over at most ScanChunk steps.
// Per-channel values are stored with the channel last: [N][scanLanes].
type scanBlock struct {
	// Rows of scanLanes values, ld apart.
	delta, u, y []float32
	ld          int
	// Rows of N values, bs apart.
	b, c []float32
	bs   int

	a2   []float32 // [N][scanLanes]: A·log₂e
	skip []float32 // [scanLanes]
	h    []float32 // [N][scanLanes]: state; forward updates it, backward reads the checkpoint

	// Backward only.
	dy, dDelta, dU []float32 // rows as delta
	carry          []float32 // [N][scanLanes]: a[t+1]·S[t+1], updated
	dA             []float32 // [N][scanLanes], added to
	dSkip          []float32 // [scanLanes], added to
	dBC            []float32 // [steps][2][N][scanLanes]: dB then dC, added to lane by lane
	hist           []float32 // [steps+1][N][scanLanes] states, then [steps][N][scanLanes] decays
}

// scanForwardGeneric runs the recurrence for each lane:
//
//	a = 2^(Δ·a2)    h[n] = a·h[n] + Δ·u·b[n]    y = Σ_n c[n]·h[n] + skip·u
func scanForwardGeneric(n, steps int, s scanBlock) {
	for t := range steps {
		dt := (*[scanLanes]float32)(s.delta[t*s.ld:])
		u := (*[scanLanes]float32)(s.u[t*s.ld:])
		y := (*[scanLanes]float32)(s.y[t*s.ld:])
		b, c := s.b[t*s.bs:t*s.bs+n], s.c[t*s.bs:t*s.bs+n]
		for l := range scanLanes {
			du := dt[l] * u[l]
			sum := s.skip[l] * u[l]
			for k, bk := range b {
				i := k*scanLanes + l
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
	w := n * scanLanes
	hist, decay := s.hist[:(steps+1)*w], s.hist[(steps+1)*w:]
	copy(hist[:w], s.h[:w])
	for t := range steps {
		dt, u := s.delta[t*s.ld:], s.u[t*s.ld:]
		for k := range n {
			bk := s.b[t*s.bs+k]
			for l := range scanLanes {
				i := k*scanLanes + l
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
	w := n * scanLanes
	dB, dC := s.dBC[2*t*w:(2*t+1)*w], s.dBC[(2*t+1)*w:(2*t+2)*w]
	row := t * s.ld
	for l := range scanLanes {
		dt, u, dy := s.delta[row+l], s.u[row+l], s.dy[row+l]
		s.dSkip[l] += dy * u
		var sumBS, sumAq float32
		for k := range n {
			i := k*scanLanes + l
			g := dy*s.c[t*s.bs+k] + s.carry[i]
			dC[i] += dy * h[w+i]
			dB[i] += dt * u * g
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

package kernel

// One step of each recurrence, with states updated where they lie.

// ssdStepGeneric is one step of one head: for each p of x, with h [P, N],
//
//	h[p] = decay·h[p] + x[p]·b    y[p] = h[p]·c
func ssdStepGeneric(decay float32, x, b, c, h, y []float32) {
	n := len(b)
	for p, v := range x {
		line := h[p*n : (p+1)*n]
		var sum float32
		for i, bi := range b {
			s := decay*line[i] + v*bi
			line[i] = s
			sum += s * c[i]
		}
		y[p] = sum
	}
}

// deltaStepGeneric is the second half of one step of one head, with s [Dk, Dv]:
//
//	s = decay·s + k ⊗ u    o = sᵀq
func deltaStepGeneric(decay float32, k, q, u, s, o []float32) {
	n := len(u)
	clear(o[:n])
	for i, ki := range k {
		for j, v := range s[i*n : (i+1)*n] {
			v = decay*v + ki*u[j]
			s[i*n+j] = v
			o[j] += q[i] * v
		}
	}
}

// diagonalStepGeneric is one step of as many channels as y has, with a, w and h
// [channels, M, 2]:
//
//	h[m] = a[m]·h[m] + u    y = Re Σ_m w[m]·h[m]
func diagonalStepGeneric(u, a, w, h, y []float32) {
	n := len(h) / len(y)
	for c := range y {
		var sum float32
		for i := c * n; i < (c+1)*n; i += 2 {
			re, im := a[i]*h[i]-a[i+1]*h[i+1]+u[c], a[i]*h[i+1]+a[i+1]*h[i]
			h[i], h[i+1] = re, im
			sum += w[i]*re - w[i+1]*im
		}
		y[c] = sum
	}
}

// scanStepGeneric is one step of as many channels as y has, which share b and c [N]; a and h
// are [channels, N]; both extents are multiples of the lanes, and channels above 0:
//
//	h[n] = 2^(Δ·(a·log₂e))·h[n] + Δ·u·b[n]    y = y + Σ_n c[n]·h[n]
func scanStepGeneric(n int, delta, u, y, a, b, c, h []float32) {
	for i := range y {
		dt, du, sum := delta[i], delta[i]*u[i], y[i]
		row := a[i*n : (i+1)*n]
		for k, state := range h[i*n : (i+1)*n] {
			state = decay32(dt*(row[k]*log2E))*state + du*b[k]
			h[i*n+k] = state
			sum += c[k] * state
		}
		y[i] = sum
	}
}

// convStepGeneric computes y = bias + Σ_j w[j]·(past, x)[j] for as many channels as y has,
// and next, past without its first and with x: w [channels, taps], past and next
// [channels, taps-1], which may be the same.
func convStepGeneric(taps int, x, w, bias, past, y, next []float32) {
	for i := range y {
		wi, p, n := w[i*taps:(i+1)*taps], past[i*(taps-1):(i+1)*(taps-1)], next[i*(taps-1):(i+1)*(taps-1)]
		sum := bias[i]
		for j, v := range p {
			sum += wi[j] * v
		}
		y[i] = sum + wi[taps-1]*x[i]
		copy(n, p[1:])
		n[taps-2] = x[i]
	}
}

// rglruStepGeneric: state = a·state + √(1−a²)·x.
func rglruStepGeneric(state, x, a []float32) {
	for i, f := range a {
		state[i] = f*state[i] + root((1-f)*(1+f))*x[i]
	}
}

// rglruInputGradGeneric: dx = √(1−a²)·s.
func rglruInputGradGeneric(dx, s, a []float32) {
	for i, f := range a {
		dx[i] = root((1-f)*(1+f)) * s[i]
	}
}

// rglruDecayGradGeneric: dd = s·(a·before − a²/√(1−a²)·x), with 1−a² at least rglruFloor.
func rglruDecayGradGeneric(dd, s, x, before, a []float32) {
	for i, f := range a {
		dd[i] = s[i] * (f*before[i] - f*f/root(max((1-f)*(1+f), rglruFloor))*x[i])
	}
}

// startState makes h the state before the first step: before, or zero where there is none.
func startState(h, before []float32) {
	switch {
	case before == nil:
		clear(h)
	case len(h) > 0 && &h[0] != &before[0]:
		copy(h, before)
	}
}

package kernel

// DeltaGrads receives gradients, in the shapes of the inputs. A nil slice is not wanted.
type DeltaGrads struct {
	Q, K, V, Decay, Beta, S0 []float32
}

// DeltaBackwardScratch is the scratch of [DeltaBackward].
func DeltaBackwardScratch(p *Pool, d DeltaInput) int {
	return p.Threads() * d.backwardWorkspace()
}

// backwardWorkspace is a run, the states before the runs of a chunk, dS, and the gradients
// of a run: dU and dY [n, Dv], two matrices [n, DeltaChunk], dγ, and what is stored.
func (d *DeltaInput) backwardWorkspace() int {
	const c = DeltaChunk
	return d.runWorkspace() + 2*d.state() + 2*c*d.ValueWidth + 2*c*c + 2*c + c*(2*d.KeyWidth+d.ValueWidth+2)
}

// DeltaBackward is the gradient of [DeltaForward] from its checkpoints and the gradients of
// o and of the last state, either of which may be nil. Run by run from the last, with D[t,s] =
// e^(γ[t]−γ[s]) and dS the gradient of the state behind the run:
//
//	dU = Pᵀ·dO + e^(γ[n−1]−γ)⊙K·dS             (I + A)ᵀ·dR = dU
//	dP = dO·Uᵀ     dA = −dR·Uᵀ                   dV = β⊙dR
//	dQ = e^γ⊙dO·Sᵀ + (dP⊙D)·K
//	dK = −β⊙e^γ⊙dR·Sᵀ + (dP⊙D)ᵀ·Q + (M + Mᵀ)·K + e^(γ[n−1]−γ)⊙U·dSᵀ     M = dA⊙β⊙D
//	dS ← e^γ[n−1]·dS + (e^γ⊙Q)ᵀ·dO − (β⊙e^γ⊙K)ᵀ·dR
//
// and γ gathers from every exponential. One item handles one key head and all value heads
// that read it.
func DeltaBackward(p *Pool, d DeltaInput, checkpoints, do, dlast []float32, grads DeltaGrads, scratch []float32) {
	const name = "DeltaBackward"
	d.check(name)
	need(name, "checkpoints", len(checkpoints), DeltaCheckpoints(d))
	needOrNil(name, "do", do, d.Batch*d.Length*d.ValueHeads*d.ValueWidth)
	needOrNil(name, "dlast", dlast, d.Batch*d.ValueHeads*d.state())
	needOrNil(name, "the gradient of Q", grads.Q, len(d.Q))
	needOrNil(name, "the gradient of K", grads.K, len(d.K))
	needOrNil(name, "the gradient of V", grads.V, len(d.V))
	needOrNil(name, "the gradient of Decay", grads.Decay, len(d.Decay))
	needOrNil(name, "the gradient of Beta", grads.Beta, len(d.Beta))
	needOrNil(name, "the gradient of S0", grads.S0, d.Batch*d.ValueHeads*d.state())
	need(name, "scratch", len(scratch), DeltaBackwardScratch(p, d))
	t := deltaBackTasks.get()
	defer deltaBackTasks.put(t)
	t.DeltaInput, t.checkpoints, t.do, t.dlast, t.grads, t.scratch = d, checkpoints, do, dlast, grads, scratch
	p.RunTask(d.Batch*d.KeyHeads, t)
}

var deltaBackTasks freeList[deltaBackTask]

type deltaBackTask struct {
	DeltaInput
	checkpoints, do, dlast, scratch []float32
	grads                           DeltaGrads
}

// deltaBack is what the backward pass of a run needs beside the run.
type deltaBack struct {
	deltaRun
	do                   []float32 // rows ldv apart; nil for zero
	ds                   []float32 // [Dk, Dv]
	du, dy               []float32 // [n, Dv]
	m1, m2               []float32 // [n, DeltaChunk]
	dgamma, tail         []float32 // [n]: dγ and e^(γ[n−1]−γ)
	dq, dk, dv, dg, dbet []float32 // of the run, rows of [Dk], [Dk], [Dv] and single values
}

func (t *deltaBackTask) Do(item, worker int) {
	d, batch, key := &t.DeltaInput, item/t.KeyHeads, item%t.KeyHeads
	size := d.backwardWorkspace()
	ws := t.scratch[worker*size : (worker+1)*size]
	var b deltaBack
	take := func(n int) []float32 {
		out := ws[:n]
		ws = ws[n:]
		return out
	}
	const c = DeltaChunk
	b.s, b.ds, b.du, b.dy = take(d.state()), take(d.state()), take(c*d.ValueWidth), take(c*d.ValueWidth)
	b.m1, b.m2, b.dgamma, b.tail = take(c*c), take(c*c), take(c), take(c)
	b.dq, b.dk, b.dv, b.dg, b.dbet = take(c*d.KeyWidth), take(c*d.KeyWidth), take(c*d.ValueWidth), take(c), take(c)
	b.carve(d, ws)
	group := d.ValueHeads / d.KeyHeads
	for head := key * group; head < (key+1)*group; head++ {
		t.head(&b, batch, head, head == key*group)
	}
}

// head runs one value head backwards; the first head of a group sets the gradients of q and
// k, the others add to them.
func (t *deltaBackTask) head(b *deltaBack, batch, head int, first bool) {
	d := &t.DeltaInput
	clear(b.ds)
	if t.dlast != nil {
		copy(b.ds, t.dlast[(batch*d.ValueHeads+head)*d.state():][:d.state()])
	}
	for chunk := d.chunks() - 1; chunk >= 0; chunk-- {
		var starts [DeltaChunk]int // of the runs in the chunk
		n, end := 0, min((chunk+1)*DeltaChunk, d.Length)
		for at := chunk * DeltaChunk; at < end; at += d.run(batch, at, end-at) {
			starts[n] = at
			n++
		}
		for i := n - 1; i >= 0; i-- {
			at, stop := starts[i], end
			if i+1 < n {
				stop = starts[i+1]
			}
			// Within a chunk runs end where documents do: only its first has a past.
			fresh := d.begins(batch, at)
			if fresh {
				clear(b.s)
			} else {
				copy(b.s, t.checkpoints[((batch*d.chunks()+chunk)*d.ValueHeads+head)*d.state():][:d.state()])
			}
			b.place(d, batch, head, at, stop-at)
			b.do = nil
			if t.do != nil {
				b.do = t.do[((batch*d.Length+at)*d.ValueHeads+head)*d.ValueWidth:]
			}
			b.gradients(d)
			t.store(b, batch, head, at, first)
			if fresh {
				clear(b.ds)
			}
		}
	}
	if t.grads.S0 != nil {
		copy(t.grads.S0[(batch*d.ValueHeads+head)*d.state():], b.ds)
	}
}

// gradients computes those of a run and moves dS before it.
func (b *deltaBack) gradients(d *DeltaInput) {
	n, dk, dv := b.n, d.KeyWidth, d.ValueWidth
	b.solve(d)
	clear(b.dgamma[:n])
	for t := range n {
		b.tail[t] = b.toEnd(t)
	}
	clear(b.dq[:n*dk])
	// dU = tail⊙(K·dS), then the part of O.
	b.multiply(false, false, n, dv, dk, b.k, b.ldk, b.ds, dv, b.du, dv, false)
	for t := range n {
		row := b.du[t*dv : (t+1)*dv]
		x := b.tail[t] * active.dot(row, b.u[t*dv:(t+1)*dv]) // of e^(γ[n−1]−γ[t])
		b.dgamma[t] -= x
		b.dgamma[n-1] += x
		active.scale(row, b.tail[t], row)
	}
	b.dgamma[n-1] += b.exp[n-1] * active.dot(b.s, b.ds)
	// dK from the state behind the run, tail⊙(U·dSᵀ).
	b.multiply(false, true, n, dk, dv, b.u, dv, b.ds, dv, b.dk, dk, false)
	for t := range n {
		row := b.dk[t*dk : (t+1)*dk]
		active.scale(row, b.tail[t], row)
	}
	active.scale(b.ds, b.exp[n-1], b.ds)
	if b.do != nil {
		b.throughOutputs(d)
	}
	b.throughSolution(d)
	sum := float32(0)
	for t := n - 1; t >= 0; t-- {
		sum += b.dgamma[t]
		b.dg[t] = sum
	}
}

// throughOutputs adds what comes from O = e^γ⊙Q·S + P·U.
func (b *deltaBack) throughOutputs(d *DeltaInput) {
	n, dk, dv := b.n, d.KeyWidth, d.ValueWidth
	for t := range n { // dY = e^γ⊙dO, and the product with Y = Q·S
		active.scale(b.dy[t*dv:(t+1)*dv], b.exp[t], b.do[t*b.ldv:t*b.ldv+dv])
	}
	b.multiply(false, true, n, dk, dv, b.dy, dv, b.s, dv, b.dq, dk, false)
	for t := range n {
		b.dgamma[t] += active.dot(b.dq[t*dk:(t+1)*dk], b.q[t*b.ldk:t*b.ldk+dk])
	}
	b.multiply(true, false, dk, dv, n, b.q, b.ldk, b.dy, dv, b.ds, dv, true)
	b.product(b.q, b.k, b.p, d)
	b.decayRows(b.p, true)
	b.multiply(true, false, n, dv, n, b.p, DeltaChunk, b.do, b.ldv, b.du, dv, true)
	b.multiply(false, true, n, n, dv, b.do, b.ldv, b.u, dv, b.m1, DeltaChunk, false) // dP
	b.exponents(b.m1, b.p, n, 1)
	b.decayRows(b.m1, true)
	b.multiply(false, false, n, dk, n, b.m1, DeltaChunk, b.k, b.ldk, b.dq, dk, true)
	b.multiply(true, false, n, dk, n, b.m1, DeltaChunk, b.q, b.ldk, b.dk, dk, true)
}

// throughSolution adds what comes from (I + A)·U = β⊙(V − e^γ⊙W), W = K·S.
func (b *deltaBack) throughSolution(d *DeltaInput) {
	n, dk, dv := b.n, d.KeyWidth, d.ValueWidth
	for t := n - 1; t >= 0; t-- { // dR in place of dU
		row := b.du[t*dv : (t+1)*dv]
		for s, a := range b.a[t*DeltaChunk : t*DeltaChunk+t] {
			active.axpy(b.du[s*dv:(s+1)*dv], -a, row)
		}
	}
	b.multiply(false, true, n, n, dv, b.du, dv, b.u, dv, b.m1, DeltaChunk, false) // −dA
	b.exponents(b.m1, b.a, n, -1)
	b.product(b.k, b.k, b.m2, d)
	b.decayRows(b.m2, false)
	for t := range n {
		dr, w, beta := b.du[t*dv:(t+1)*dv], b.w[t*dv:(t+1)*dv], b.beta[t*b.ldh]
		x := b.exp[t] * active.dot(dr, w)
		b.dbet[t] = active.dot(dr, b.v[t*b.ldv:t*b.ldv+dv]) - x - active.dot(b.m1[t*DeltaChunk:t*DeltaChunk+t], b.m2[t*DeltaChunk:t*DeltaChunk+t])
		b.dgamma[t] -= beta * x
		active.scale(b.dv[t*dv:(t+1)*dv], beta, dr)
		active.scale(b.dy[t*dv:(t+1)*dv], -beta*b.exp[t], dr) // dW
		active.scale(b.m1[t*DeltaChunk:t*DeltaChunk+n], -beta, b.m1[t*DeltaChunk:t*DeltaChunk+n])
	}
	b.decayRows(b.m1, false)
	b.multiply(false, false, n, dk, n, b.m1, DeltaChunk, b.k, b.ldk, b.dk, dk, true)
	b.multiply(true, false, n, dk, n, b.m1, DeltaChunk, b.k, b.ldk, b.dk, dk, true)
	b.multiply(false, true, n, dk, dv, b.dy, dv, b.s, dv, b.dk, dk, true)
	b.multiply(true, false, dk, dv, n, b.k, b.ldk, b.dy, dv, b.ds, dv, true)
}

// exponents adds to dγ the gradient sign·dm of a matrix m whose elements have the factor
// e^(γ[t]−γ[s]).
func (b *deltaBack) exponents(dm, m []float32, n int, sign float32) {
	for t := range n {
		for s := range t {
			x := sign * dm[t*DeltaChunk+s] * m[t*DeltaChunk+s]
			b.dgamma[t] += x
			b.dgamma[s] -= x
		}
	}
}

// multiply is c (+)= op(x)·op(y).
func (b *deltaBack) multiply(tx, ty bool, m, n, k int, x []float32, ldx int, y []float32, ldy int, c []float32, ldc int, acc bool) {
	g := gemmBlock{ta: tx, tb: ty, m: m, n: n, k: k, a: x, lda: ldx, b: y, ldb: ldy, c: c, ldc: ldc, acc: acc}
	g.tile(0, m, 0, n, b.ws)
}

// store writes the gradients of a run to their places.
func (t *deltaBackTask) store(b *deltaBack, batch, head, at int, first bool) {
	d := &t.DeltaInput
	key := head / (d.ValueHeads / d.KeyHeads)
	for i := range b.n {
		row := batch*d.Length + at + i
		for _, x := range []struct{ to, from []float32 }{{t.grads.Q, b.dq}, {t.grads.K, b.dk}} {
			if x.to == nil {
				continue
			}
			to, from := x.to[(row*d.KeyHeads+key)*d.KeyWidth:][:d.KeyWidth], x.from[i*d.KeyWidth:(i+1)*d.KeyWidth]
			if first {
				copy(to, from)
			} else {
				active.add(to, to, from)
			}
		}
		if t.grads.V != nil {
			copy(t.grads.V[(row*d.ValueHeads+head)*d.ValueWidth:], b.dv[i*d.ValueWidth:(i+1)*d.ValueWidth])
		}
		if t.grads.Decay != nil {
			t.grads.Decay[row*d.ValueHeads+head] = b.dg[i]
		}
		if t.grads.Beta != nil {
			t.grads.Beta[row*d.ValueHeads+head] = b.dbet[i]
		}
	}
}

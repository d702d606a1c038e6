package kernel

import "fmt"

// DeltaChunk is the number of steps that the gated delta rule handles at once, and the
// distance of its checkpoints. Sums over earlier steps are formed per chunk, so it is part
// of the result's definition.
const DeltaChunk = 64

// DeltaInput is the input of the gated delta rule (arXiv 2412.06464). Value head h reads
// key head h/(Hv/Hk).
type DeltaInput struct {
	Batch, Length        int       // B, L
	KeyHeads, ValueHeads int       // Hk, Hv
	KeyWidth, ValueWidth int       // Dk, Dv
	Q, K                 []float32 // [B, L, Hk, Dk]
	V                    []float32 // [B, L, Hv, Dv]
	Decay                []float32 // [B, L, Hv], the logarithm, at most 0
	Beta                 []float32 // [B, L, Hv]
	S0                   []float32 // [B, Hv, Dk, Dv], state before the first step; nil: zero
	First                []int64   // [B, L], as in [ScanInput]
}

func (d *DeltaInput) check(name string) {
	extents(name, "B, L, Hk, Hv, Dk, Dv", d.Batch, d.Length, d.KeyHeads, d.ValueHeads, d.KeyWidth, d.ValueWidth)
	if d.KeyHeads < 1 || d.ValueHeads%d.KeyHeads != 0 {
		panic(fmt.Sprintf("kernel: %s: %d value heads do not divide into %d key heads", name, d.ValueHeads, d.KeyHeads))
	}
	rows := d.Batch * d.Length
	need(name, "Q", len(d.Q), rows*d.KeyHeads*d.KeyWidth)
	need(name, "K", len(d.K), rows*d.KeyHeads*d.KeyWidth)
	need(name, "V", len(d.V), rows*d.ValueHeads*d.ValueWidth)
	need(name, "Decay", len(d.Decay), rows*d.ValueHeads)
	need(name, "Beta", len(d.Beta), rows*d.ValueHeads)
	needOrNil(name, "S0", d.S0, d.Batch*d.ValueHeads*d.KeyWidth*d.ValueWidth)
	if d.First != nil {
		need(name, "First", len(d.First), rows)
	}
}

// state is the number of values of one head's state.
func (d *DeltaInput) state() int { return d.KeyWidth * d.ValueWidth }

// chunks is the number of checkpoints of a sequence.
func (d *DeltaInput) chunks() int { return ceilDiv(d.Length, DeltaChunk) }

// run is the number of steps from t on, up to limit, that belong to one document.
func (d *DeltaInput) run(batch, t, limit int) int {
	s := ScanInput{Length: d.Length, First: d.First}
	return s.run(batch, t, limit)
}

func (d *DeltaInput) begins(batch, t int) bool {
	s := ScanInput{Length: d.Length, First: d.First}
	return s.begins(batch, t)
}

// deltaRun is a run of at most [DeltaChunk] steps of one head, and what a pass computes of it:
// with γ[t] = Σ_{s≤t} decay[s] within the run, S the state before it,
//
//	A[t,s] = β[t]·e^(γ[t]−γ[s])·k[t]·k[s]  for s < t     (I + A)·U = β⊙(V − e^γ⊙K·S)
//	P[t,s] =      e^(γ[t]−γ[s])·q[t]·k[s]  for s ≤ t     O = e^γ⊙Q·S + P·U
//
// The exponents are never positive.
type deltaRun struct {
	n          int // steps
	q, k       []float32
	ldk        int // between steps in q and k
	v, o       []float32
	ldv        int // between steps in v and o
	decay      []float32
	beta       []float32
	ldh        int       // between steps in decay and beta
	s          []float32 // [Dk, Dv]
	gamma, exp []float32 // [n]: γ and e^γ
	ratio      []float32 // [n, DeltaChunk]: e^(γ[t]−γ[s]) for s < t
	a, p       []float32 // [n, DeltaChunk]
	w, u       []float32 // [n, Dv]: K·S and U
	row, ws    []float32 // [n], and for products
}

// runWorkspace is what one worker needs for a run.
func (d *DeltaInput) runWorkspace() int {
	const c = DeltaChunk
	return 3*c + 3*c*c + 2*c*d.ValueWidth + d.gemmWorkspace()
}

// gemmWorkspace is room for any of the products of a run.
func (d *DeltaInput) gemmWorkspace() int {
	wide := max(d.KeyWidth, d.ValueWidth, DeltaChunk)
	g := gemmBlock{ta: true, tb: true, m: wide, n: wide, k: wide}
	one := gemmBlock{m: 1, n: wide, k: wide}
	return max(g.workspace(), one.workspace())
}

// carve lays out a run's memory in ws and answers the rest.
func (r *deltaRun) carve(d *DeltaInput, ws []float32) []float32 {
	const c = DeltaChunk
	take := func(n int) []float32 {
		out := ws[:n]
		ws = ws[n:]
		return out
	}
	r.gamma, r.exp, r.row, r.ratio, r.a, r.p = take(c), take(c), take(c), take(c*c), take(c*c), take(c*c)
	r.w, r.u = take(c*d.ValueWidth), take(c*d.ValueWidth)
	r.ws = take(d.gemmWorkspace())
	return ws
}

// place points a run at n steps from t0 on.
func (r *deltaRun) place(d *DeltaInput, batch, head, t0, n int) {
	key := head / (d.ValueHeads / d.KeyHeads)
	row := batch*d.Length + t0
	r.n = n
	r.ldk, r.ldv, r.ldh = d.KeyHeads*d.KeyWidth, d.ValueHeads*d.ValueWidth, d.ValueHeads
	at := (row*d.KeyHeads + key) * d.KeyWidth
	r.q, r.k = d.Q[at:], d.K[at:]
	r.v = d.V[(row*d.ValueHeads+head)*d.ValueWidth:]
	r.decay, r.beta = d.Decay[row*d.ValueHeads+head:], d.Beta[row*d.ValueHeads+head:]
}

// solve computes γ, A, W and U of a run.
func (r *deltaRun) solve(d *DeltaInput) {
	sum := float32(0)
	for t := range r.n {
		sum += r.decay[t*r.ldh]
		r.gamma[t] = sum
	}
	active.exp(r.exp[:r.n], r.gamma[:r.n])
	r.ratios()
	r.product(r.k, r.k, r.a, d) // k[t]·k[s]
	r.decayRows(r.a, false)
	for t := range r.n {
		row := r.a[t*DeltaChunk : t*DeltaChunk+t]
		active.scale(row, r.beta[t*r.ldh], row)
	}
	dv := d.ValueWidth
	g := gemmBlock{m: r.n, n: dv, k: d.KeyWidth, a: r.k, lda: r.ldk, b: r.s, ldb: dv, c: r.w, ldc: dv}
	g.tile(0, r.n, 0, dv, r.ws)
	for t := range r.n {
		u, beta := r.u[t*dv:(t+1)*dv], r.beta[t*r.ldh]
		active.scale(u, beta, r.v[t*r.ldv:t*r.ldv+dv])
		active.axpy(u, -beta*r.exp[t], r.w[t*dv:(t+1)*dv])
		active.scale(r.row[:t], -1, r.a[t*DeltaChunk:t*DeltaChunk+t])
		active.gemvN(u, r.row[:t], r.u, dv, false)
	}
}

// ratios computes e^(γ[t]−γ[s]) from sums of the decays between, which large decays before
// and after do not blur.
func (r *deltaRun) ratios() {
	const c = DeltaChunk
	for t := 1; t < r.n; t++ {
		row, decay := r.ratio[t*c:t*c+t], r.decay[t*r.ldh]
		active.shift(row, r.ratio[(t-1)*c:(t-1)*c+t-1], decay)
		row[t-1] = decay
	}
	for t := 1; t < r.n; t++ {
		row := r.ratio[t*c : t*c+t]
		active.exp(row, row)
	}
}

// toEnd is e^(γ[n−1]−γ[t]).
func (r *deltaRun) toEnd(t int) float32 {
	if t == r.n-1 {
		return 1
	}
	return r.ratio[(r.n-1)*DeltaChunk+t]
}

// product is the matrix of x[t]·y[s], rows [n, DeltaChunk].
func (r *deltaRun) product(x, y, out []float32, d *DeltaInput) {
	g := gemmBlock{tb: true, m: r.n, n: r.n, k: d.KeyWidth, a: x, lda: r.ldk, b: y, ldb: r.ldk, c: out, ldc: DeltaChunk}
	g.tile(0, r.n, 0, r.n, r.ws)
}

// decayRows multiplies m[t, s] by e^(γ[t]−γ[s]) where s < t, or s ≤ t with the diagonal,
// and clears the rest.
func (r *deltaRun) decayRows(m []float32, diagonal bool) {
	for t := range r.n {
		row := m[t*DeltaChunk : t*DeltaChunk+r.n]
		active.mul(row[:t], row[:t], r.ratio[t*DeltaChunk:t*DeltaChunk+t])
		if diagonal {
			clear(row[t+1:])
		} else {
			clear(row[t:])
		}
	}
}

// outputs computes P and O of a run.
func (r *deltaRun) outputs(d *DeltaInput) {
	dv := d.ValueWidth
	g := gemmBlock{m: r.n, n: dv, k: d.KeyWidth, a: r.q, lda: r.ldk, b: r.s, ldb: dv, c: r.o, ldc: r.ldv}
	g.tile(0, r.n, 0, dv, r.ws)
	for t := range r.n {
		o := r.o[t*r.ldv : t*r.ldv+dv]
		active.scale(o, r.exp[t], o)
	}
	r.product(r.q, r.k, r.p, d)
	r.decayRows(r.p, true)
	g = gemmBlock{m: r.n, n: dv, k: r.n, a: r.p, lda: DeltaChunk, b: r.u, ldb: dv, c: r.o, ldc: r.ldv, acc: true}
	g.tile(0, r.n, 0, dv, r.ws)
}

// advance moves the state behind the run: S ← e^γ[n−1]·S + Σ_s e^(γ[n−1]−γ[s])·k[s] ⊗ u[s].
// U is scaled on the way.
func (r *deltaRun) advance(d *DeltaInput) {
	dv := d.ValueWidth
	active.scale(r.s, r.exp[r.n-1], r.s)
	for t := range r.n {
		u := r.u[t*dv : (t+1)*dv]
		active.scale(u, r.toEnd(t), u)
	}
	g := gemmBlock{ta: true, m: d.KeyWidth, n: dv, k: r.n, a: r.k, lda: r.ldk, b: r.u, ldb: dv, c: r.s, ldc: dv, acc: true}
	g.tile(0, d.KeyWidth, 0, dv, r.ws)
}

// step is the recurrence itself, for a run of a single step:
//
//	S ← e^decay·S    u = β·(v − Sᵀk)    S ← S + k ⊗ u    o = Sᵀq
func (r *deltaRun) step(d *DeltaInput) {
	dk, dv := d.KeyWidth, d.ValueWidth
	u, decay := r.u[:dv], exp32(r.decay[0])
	clear(u)
	active.gemvN(u, r.k[:dk], r.s[:dk*dv], dv, false)
	active.scale(u, -decay*r.beta[0], u)
	active.axpy(u, r.beta[0], r.v[:dv])
	active.deltaStep(decay, r.k[:dk], r.q[:dk], u, r.s, r.o[:dv])
}

// DeltaScratch is the scratch of [DeltaForward].
func DeltaScratch(p *Pool, d DeltaInput) int {
	return p.Threads() * (d.runWorkspace() + d.state())
}

// DeltaCheckpoints is the length of the checkpoints that [DeltaForward] leaves for
// [DeltaBackward]: [B, ⌈L/DeltaChunk⌉, Hv, Dk, Dv].
func DeltaCheckpoints(d DeltaInput) int { return d.Batch * d.chunks() * d.ValueHeads * d.state() }

// DeltaForward runs the gated delta rule, for t = 0 … L−1 and each head:
//
//	S ← e^decay[t]·S    u = β[t]·(v[t] − Sᵀk[t])    S ← S + k[t] ⊗ u    o[t] = Sᵀq[t]
//
// chunk by chunk as products of matrices. o [B, L, Hv, Dv]; last [B, Hv, Dk, Dv] receives
// the state behind the last step, nil if not wanted, and may be S0; checkpoints is nil when
// no backward pass follows.
func DeltaForward(p *Pool, d DeltaInput, o, last, checkpoints, scratch []float32) {
	const name = "DeltaForward"
	d.check(name)
	need(name, "o", len(o), d.Batch*d.Length*d.ValueHeads*d.ValueWidth)
	needOrNil(name, "last", last, d.Batch*d.ValueHeads*d.state())
	if checkpoints != nil {
		need(name, "checkpoints", len(checkpoints), DeltaCheckpoints(d))
	}
	need(name, "scratch", len(scratch), DeltaScratch(p, d))
	t := deltaTasks.get()
	defer deltaTasks.put(t)
	t.DeltaInput, t.o, t.last, t.checkpoints, t.scratch = d, o, last, checkpoints, scratch
	p.RunTask(d.Batch*d.ValueHeads, t)
}

var deltaTasks freeList[deltaTask]

type deltaTask struct {
	DeltaInput
	o, last, checkpoints, scratch []float32
}

func (t *deltaTask) Do(item, worker int) {
	d, batch, head := &t.DeltaInput, item/t.ValueHeads, item%t.ValueHeads
	size := d.runWorkspace() + d.state()
	ws := t.scratch[worker*size : (worker+1)*size]
	var r deltaRun
	r.s, ws = ws[:d.state()], ws[d.state():]
	states := (batch*d.ValueHeads + head) * d.state()
	if t.last != nil {
		r.s = t.last[states : states+d.state()] // the state is updated where it ends
	}
	r.carve(d, ws)
	startState(r.s, from(d.S0, states))
	for t0 := 0; t0 < d.Length; t0 += DeltaChunk {
		if t.checkpoints != nil {
			copy(t.checkpoints[((batch*d.chunks()+t0/DeltaChunk)*d.ValueHeads+head)*d.state():], r.s)
		}
		for at, end := t0, min(t0+DeltaChunk, d.Length); at < end; at += r.n {
			if d.begins(batch, at) {
				clear(r.s)
			}
			r.place(d, batch, head, at, d.run(batch, at, end-at))
			r.o = t.o[((batch*d.Length+at)*d.ValueHeads+head)*d.ValueWidth:]
			if r.n == 1 {
				r.step(d)
				continue
			}
			r.solve(d)
			r.outputs(d)
			r.advance(d)
		}
	}
}

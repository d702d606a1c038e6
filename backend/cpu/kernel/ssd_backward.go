package kernel

func (s *SSDInput) backwardWorkspace() int {
	q := s.Chunk
	return ssdHeads*s.Dim*s.State + 4*q*q + s.decayWorkspace() + q*s.State + 3*q + s.gemmWorkspace()
}

// SSDBackwardScratch is the scratch of [SSDBackward].
func SSDBackwardScratch(p *Pool, s SSDInput) int {
	return p.Threads()*s.backwardWorkspace() + s.items()*s.Length*2*s.State
}

// SSDBackward is the gradient of [SSDForward] given dy [B, L, H, P] and dhT [B, H, P, N]
// (nil: zero). checkpoints are those of the forward pass over the same input. With M =
// C·Bᵀ ∘ G, H the state before a chunk and S the gradient of the one behind it,
//
//	dX = Mᵀ·dy + diag(out)·B·Sᵀ                    dM = dy·Xᵀ
//	dC = (dM ∘ G)·B + diag(in)·dy·H                dB = (dM ∘ G)ᵀ·C + diag(out)·X·S
//	S ← last·S + dyᵀ·diag(in)·C
//
// and the logarithm at step t receives whatever decays across t.
func SSDBackward(p *Pool, s SSDInput, checkpoints, dy, dhT []float32, g SSDGrads, scratch []float32) {
	const name = "SSDBackward"
	s.check(name)
	rows, states := s.Batch*s.Length, s.Batch*s.Heads*s.Dim*s.State
	need(name, "checkpoints", len(checkpoints), SSDCheckpoints(s))
	needOrNil(name, "dy", dy, rows*s.Heads*s.Dim)
	needOrNil(name, "dhT", dhT, states)
	needOrNil(name, "the gradient of X", g.X, rows*s.Heads*s.Dim)
	needOrNil(name, "the gradient of Decay", g.Decay, rows*s.Heads)
	needOrNil(name, "the gradient of B", g.B, rows*s.Groups*s.State)
	needOrNil(name, "the gradient of C", g.C, rows*s.Groups*s.State)
	needOrNil(name, "the gradient of H0", g.H0, states)
	need(name, "scratch", len(scratch), SSDBackwardScratch(p, s))
	t := ssdBackwardTasks.get()
	defer ssdBackwardTasks.put(t)
	t.SSDInput, t.grads, t.checkpoints, t.dy, t.dhT, t.ws = s, g, checkpoints, dy, dhT, s.backwardWorkspace()
	t.parts, t.scratch = scratch[:s.items()*s.Length*2*s.State], scratch[s.items()*s.Length*2*s.State:]
	p.RunTask(s.items(), t)
	f := ssdFoldTasks.get()
	defer ssdFoldTasks.put(f)
	for half, to := range [][]float32{g.B, g.C} {
		if to != nil {
			f.t, f.half, f.to = t, half, to
			p.RunTask(s.Batch*s.Groups, f)
		}
	}
}

var (
	ssdBackwardTasks freeList[ssdBackwardTask]
	ssdFoldTasks     freeList[ssdFoldTask]
)

type ssdBackwardTask struct {
	SSDInput
	grads                         SSDGrads
	checkpoints, dy, dhT, scratch []float32
	parts                         []float32 // [items, 2, L, N]: dB and dC of the heads of an item
	ws                            int
}

// ssdAdjoint is the working set of one item of the backward pass.
type ssdAdjoint struct {
	ssdPlace
	ssdDecays
	s           []float32 // [heads, P, N], gradient of the state behind the chunk
	cb, dcb     []float32 // [Q, Q]
	m, dm       []float32 // [Q, Q]
	rows        []float32 // [Q, N]
	across      []float32 // [Q], what decays across a step, by where it began
	into, outof []float32 // [Q], what the state before gave to a step, and a step to the one behind
	gemm        []float32
	dB, dC      []float32 // [L, N], of this item
}

func (t *ssdBackwardTask) Do(item, worker int) {
	w := ssdAdjoint{ssdPlace: t.place(item)}
	ws := t.scratch[worker*t.ws : (worker+1)*t.ws]
	q, size := t.Chunk, t.Dim*t.State
	w.s, ws = ws[:w.heads*size], ws[ssdHeads*size:]
	w.cb, w.dcb, w.m, w.dm, ws = ws[:q*q], ws[q*q:2*q*q], ws[2*q*q:3*q*q], ws[3*q*q:4*q*q], ws[4*q*q:]
	w.ssdDecays, ws = t.takeDecays(ws)
	w.rows, ws = ws[:q*t.State], ws[q*t.State:]
	w.across, w.into, w.outof, w.gemm = ws[:q], ws[q:2*q], ws[2*q:3*q], ws[3*q:]
	part := t.parts[item*2*t.Length*t.State:]
	w.dB, w.dC = part[:t.Length*t.State], part[t.Length*t.State:2*t.Length*t.State]
	states := (w.batch*t.Heads + w.head) * size
	clear(w.s)
	if t.dhT != nil {
		copy(w.s, t.dhT[states:])
	}
	for k := t.chunks() - 1; k >= 0; k-- {
		t.chunk(&w, k)
	}
	if t.grads.H0 != nil {
		copy(t.grads.H0[states:states+len(w.s)], w.s)
	}
}

// chunk runs one chunk backwards for all heads of an item.
func (t *ssdBackwardTask) chunk(w *ssdAdjoint, k int) {
	q, t0 := t.Chunk, k*t.Chunk
	n := min(q, t.Length-t0)
	bc := ((w.batch*t.Length+t0)*t.Groups + w.group) * t.State
	b, c := t.B[bc:], t.C[bc:]
	dB, dC := w.dB[t0*t.State:(t0+n)*t.State], w.dC[t0*t.State:(t0+n)*t.State]
	clear(dB)
	clear(dC)
	clear(w.dcb[:n*q])
	t.scores(w.cb, b, c, n, w.gemm)
	for i := range w.heads {
		t.head(w, k, n, i, b, c, dB, dC)
	}
	ldg := t.Groups * t.State
	whole(gemmBlock{m: n, n: t.State, k: n, a: w.dcb, lda: q, b: b, ldb: ldg, c: dC, ldc: t.State, acc: true}, w.gemm)
	whole(gemmBlock{ta: true, m: n, n: t.State, k: n, a: w.dcb, lda: q, b: c, ldb: ldg, c: dB, ldc: t.State, acc: true}, w.gemm)
}

// head adds one head's part of dB, dC and dM ∘ G, and finishes its dX, decays and state.
func (t *ssdBackwardTask) head(w *ssdAdjoint, k, n, i int, b, c, dB, dC []float32) {
	q, t0, size, ld, ldg, width := t.Chunk, k*t.Chunk, t.Dim*t.State, t.Heads*t.Dim, t.Groups*t.State, t.State
	head := w.head + i
	at := ((w.batch*t.Length+t0)*t.Heads + head) * t.Dim
	x, dx := t.X[at:], tail(t.grads.X, at)
	s := w.s[i*size : (i+1)*size]
	h := t.checkpoints[((w.batch*t.chunks()+k)*t.Heads+head)*size:][:size]
	w.fill(&t.SSDInput, w.batch, head, t0, n)

	scaleRows(w.rows, b, ldg, width, w.out[:n])
	if dx != nil {
		whole(gemmBlock{tb: true, m: n, n: t.Dim, k: width, a: w.rows, lda: width, b: s, ldb: width, c: dx, ldc: ld}, w.gemm)
	}
	whole(gemmBlock{m: n, n: width, k: t.Dim, a: x, lda: ld, b: s, ldb: width, c: w.rows, ldc: width}, w.gemm)
	t.meet(w.outof, w.rows, b, dB, w.out[:n])
	kept := w.last * active.dot(s, h)
	active.scale(s, w.last, s)
	clear(w.into[:n])
	clear(w.m[:n*q])
	if t.dy != nil {
		dy := t.dy[at:]
		whole(gemmBlock{m: n, n: width, k: t.Dim, a: dy, lda: ld, b: h, ldb: width, c: w.rows, ldc: width}, w.gemm)
		t.meet(w.into, w.rows, c, dC, w.in[:n])
		scaleRows(w.rows, c, ldg, width, w.in[:n])
		whole(gemmBlock{ta: true, m: t.Dim, n: width, k: n, a: dy, lda: ld, b: w.rows, ldb: width, c: s, ldc: width, acc: true}, w.gemm)
		t.scoreGradients(w, n, x, dx, dy)
	}
	t.decayGradients(w, head, t0, n, kept)
}

// tail is s from an index on; of nothing it is nothing.
func tail(s []float32, at int) []float32 {
	if s == nil {
		return nil
	}
	return s[at:]
}

// meet scales rows by f, adds them to sum, and sets dot[r] to their product with those of
// with.
func (t *ssdBackwardTask) meet(dot, rows, with, sum, f []float32) {
	width := t.State
	for r, x := range f {
		row := rows[r*width : (r+1)*width]
		active.scale(row, x, row)
		dot[r] = active.dot(row, with[r*t.Groups*width:][:width])
	}
	active.add(sum, sum, rows[:len(sum)])
}

// scoreGradients adds Mᵀ·dy to dx and dM ∘ G to dcb, and leaves dM ∘ M in m.
func (t *ssdBackwardTask) scoreGradients(w *ssdAdjoint, n int, x, dx, dy []float32) {
	q, ld := t.Chunk, t.Heads*t.Dim
	triangle(gemmBlock{tb: true, m: n, n: n, k: t.Dim, a: dy, lda: ld, b: x, ldb: ld, c: w.dm, ldc: q}, w.gemm)
	for l := range n {
		g, m, cb := w.g[l*q:l*q+l+1], w.m[l*q:l*q+l+1], w.cb[l*q:l*q+l+1]
		active.mul(m, g, cb)
		active.mulAdd(w.dcb[l*q:l*q+l+1], w.dm[l*q:l*q+l+1], g)
	}
	if dx != nil {
		whole(gemmBlock{ta: true, m: n, n: t.Dim, k: n, a: w.m, lda: q, b: dy, ldb: ld, c: dx, ldc: ld, acc: true}, w.gemm)
	}
	for l := range n {
		m := w.m[l*q : l*q+l+1]
		active.mul(m, m, w.dm[l*q:l*q+l+1])
	}
}

// decayGradients sums, for every step t, what decays across it: from steps j < t to steps
// l ≥ t, from the state before the chunk to steps l ≥ t, from steps j < t to the state
// behind, and from state to state.
func (t *ssdBackwardTask) decayGradients(w *ssdAdjoint, head, t0, n int, kept float32) {
	if t.grads.Decay == nil {
		return
	}
	at := func(l int) *float32 { return &t.grads.Decay[(w.batch*t.Length+t0+l)*t.Heads+head] }
	clear(w.across[:n])
	into := float32(0)
	for l := n - 1; l >= 0; l-- {
		into += w.into[l]
		active.add(w.across[:l], w.across[:l], w.m[l*t.Chunk:l*t.Chunk+l])
		*at(l) = active.sum(w.across[:l]) + into
	}
	outof := kept
	for l := range n {
		*at(l) += outof
		outof += w.outof[l]
	}
}

// ssdFoldTask adds the items' parts of dB (half 0) or dC, in the order of their heads.
type ssdFoldTask struct {
	t    *ssdBackwardTask
	half int
	to   []float32
}

func (f *ssdFoldTask) Do(item, _ int) {
	t := f.t
	batch, group := item/t.Groups, item%t.Groups
	size, spans := t.Length*t.State, t.spans()
	for l := range t.Length {
		dst := f.to[((batch*t.Length+l)*t.Groups+group)*t.State:][:t.State]
		for j := range spans {
			part := t.parts[((item*spans+j)*2+f.half)*size+l*t.State:][:t.State]
			if j == 0 {
				copy(dst, part)
				continue
			}
			active.add(dst, dst, part)
		}
	}
}

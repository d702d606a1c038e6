package kernel

// scanPart is the number of partial sums of dB and dC a step and state: 8 lanes each.
const scanPart = 2 * 8

func (s *ScanInput) backwardWorkspace() int {
	lanes := active.scanLanes
	b := s.blockSize()
	return scanSpan/lanes*(3*b+2*lanes) + scanTail() + (2*ScanChunk+1)*b + scanPart*ScanChunk*s.State + b
}

// ScanBackwardScratch is the scratch of [ScanBackward].
func ScanBackwardScratch(p *Pool, s ScanInput) int {
	spans := s.Groups * s.layout().spans
	perBatch := spans*s.Length*2*s.State + s.Channels*(s.State+1)
	return p.Threads()*s.backwardWorkspace() + s.Batch*perBatch
}

// ScanBackward is the gradient of [ScanForward] given dy [B, L, D] and dhT
// [B, D, N] (nil: zero). checkpoints are those of the forward pass over the
// same input. With S[t] the gradient of h[t] and S[L] = dhT, for t downwards:
//
//	S[t]    = dy[t,c]·C[t,n] + a[t+1]·S[t+1]       q = S[t]·a[t]·h[t-1]
//	dC[t,n] = Σ_c dy·h[t]       dB[t,n] = Σ_c Δ·u·S      dSkip[c] = Σ_t dy·u
//	du      = Skip·dy + Δ·Σ_n B·S                 dA[c,n] = Σ_t Δ·q
//	dΔ      = Σ_n (A·q + u·B·S)                   dH0     = a[0]·S[0]
//
// States are recomputed from the checkpoints, never by dividing by a.
func ScanBackward(p *Pool, s ScanInput, checkpoints, dy, dhT []float32, g ScanGrads, scratch []float32) {
	const name = "ScanBackward"
	s.check(name)
	rows, states := s.Batch*s.Length, s.Batch*s.Channels*s.State
	need(name, "checkpoints", len(checkpoints), ScanCheckpoints(s))
	need(name, "dy", len(dy), rows*s.Channels)
	needOrNil(name, "dhT", dhT, states)
	needOrNil(name, "the gradient of U", g.U, rows*s.Channels)
	needOrNil(name, "the gradient of Delta", g.Delta, rows*s.Channels)
	needOrNil(name, "the gradient of A", g.A, s.Channels*s.State)
	needOrNil(name, "the gradient of B", g.B, rows*s.Groups*s.State)
	needOrNil(name, "the gradient of C", g.C, rows*s.Groups*s.State)
	needOrNil(name, "the gradient of Skip", g.Skip, s.Channels)
	needOrNil(name, "the gradient of H0", g.H0, states)
	need(name, "scratch", len(scratch), ScanBackwardScratch(p, s))

	t := scanBackwardTasks.get()
	defer scanBackwardTasks.put(t)
	t.ScanInput, t.scanLayout, t.grads = s, s.layout(), g
	t.checkpoints, t.dy, t.dhT, t.ws = checkpoints, dy, dhT, s.backwardWorkspace()
	spans := s.Batch * s.Groups * t.spans
	t.partBC, scratch = scratch[:spans*s.Length*2*s.State], scratch[spans*s.Length*2*s.State:]
	t.partA, scratch = scratch[:states], scratch[states:]
	t.partSkip, t.scratch = scratch[:s.Batch*s.Channels], scratch[s.Batch*s.Channels:]
	p.RunTask(spans, t)

	f := scanFoldTasks.get()
	defer scanFoldTasks.put(f)
	f.t = t
	p.RunTask(s.Batch+ceilDiv(s.Channels, scanSpan), f)
}

var (
	scanBackwardTasks freeList[scanBackwardTask]
	scanFoldTasks     freeList[scanFoldTask]
)

type scanBackwardTask struct {
	ScanInput
	scanLayout
	grads                         ScanGrads
	checkpoints, dy, dhT, scratch []float32
	partBC                        []float32 // [B, G·spans, L, 2, N]
	partA                         []float32 // [B, D, N]
	partSkip                      []float32 // [B, D]
	ws                            int
}

// scanAdjoint is the working set of one item of the backward pass.
type scanAdjoint struct {
	scanPlace
	a2, carry, dA, skip, dSkip, hist, dBC, tail []float32
	zero                                        []float32 // the state before a document
}

func (t *scanBackwardTask) Do(item, worker int) {
	lanes := active.scanLanes
	w := scanAdjoint{scanPlace: t.place(item, t.Groups)}
	ws := t.scratch[worker*t.ws : (worker+1)*t.ws]
	take := func(n int) []float32 {
		part := ws[:n]
		ws = ws[n:]
		return part
	}
	bs := t.blockSize()
	w.a2, w.carry, w.dA = take(w.blocks*bs), take(w.blocks*bs), take(w.blocks*bs)
	w.skip, w.dSkip = take(w.blocks*lanes), take(w.blocks*lanes)
	w.hist, w.dBC, w.tail = take((2*ScanChunk+1)*bs), take(scanPart*ScanChunk*t.State), take(scanTail())
	w.zero = take(bs)
	clear(w.zero)
	t.loadConstants(w.scanPlace, w.a2, w.skip)
	loadState(w.carry, t.dhT, w.scanPlace, t.Channels, t.State)
	clear(w.dA)
	clear(w.dSkip)
	for k := t.chunks - 1; k >= 0; k-- {
		t.chunk(&w, item, k)
	}
	storeState(t.grads.H0, w.carry, w.scanPlace, t.Channels, t.State)
	storeState(t.partA, w.dA, w.scanPlace, t.Channels, t.State)
	copy(t.partSkip[w.batch*t.Channels+w.ch:][:w.width], w.dSkip)
}

// chunk runs the blocks of one span backwards over one chunk of steps, document by
// document, and folds the lanes of dB and dC.
func (t *scanBackwardTask) chunk(w *scanAdjoint, item, k int) {
	t0 := k * ScanChunk
	steps := min(ScanChunk, t.Length-t0)
	clear(w.dBC)
	for end := steps; end > 0; {
		from := end - 1
		for from > 0 && !t.begins(w.batch, t0+from) {
			from--
		}
		t.steps(w, k, from, end-from)
		if t.begins(w.batch, t0+from) {
			clear(w.carry) // nothing flows into the document before
		}
		end = from
	}
	part := t.partBC[(item*t.Length+t0)*2*t.State:]
	sums := steps * 2 * t.State
	active.laneSums(part[:sums], w.dBC)
}

// steps runs the blocks backwards over steps of one document, the first of which is step
// from of chunk k.
func (t *scanBackwardTask) steps(w *scanAdjoint, k, from, steps int) {
	lanes := active.scanLanes
	t0 := k*ScanChunk + from
	row, bs := w.batch*t.Length+t0, t.blockSize()
	bc := (row*t.Groups + w.group) * t.State
	blk := scanBlock{b: t.B[bc:], c: t.C[bc:], bs: t.Groups * t.State, hist: w.hist, dBC: w.dBC[from*scanPart*t.State:]}
	ck := ((w.batch*t.chunks+k)*t.Groups*t.blocks + w.block) * bs
	fresh := t.begins(w.batch, t0)
	for i := range w.blocks {
		blk.a2, blk.carry, blk.dA = w.a2[i*bs:(i+1)*bs], w.carry[i*bs:(i+1)*bs], w.dA[i*bs:(i+1)*bs]
		blk.skip, blk.dSkip = w.skip[i*lanes:(i+1)*lanes], w.dSkip[i*lanes:(i+1)*lanes]
		if blk.h = t.checkpoints[ck+i*bs : ck+(i+1)*bs]; fresh {
			blk.h = w.zero
		}
		at, width := row*t.Channels+w.ch+i*lanes, min(lanes, w.width-i*lanes)
		t.block(&blk, at, width, steps, w.tail)
	}
}

// block runs one block, on copies of its rows where it is not full, and where
// a gradient is not wanted into a copy that is dropped.
func (t *scanBackwardTask) block(blk *scanBlock, at, width, steps int, tail []float32) {
	lanes := active.scanLanes
	if width == lanes && t.grads.U != nil && t.grads.Delta != nil {
		blk.delta, blk.u, blk.dy, blk.ld = t.Delta[at:], t.U[at:], t.dy[at:], t.Channels
		blk.dDelta, blk.dU = t.grads.Delta[at:], t.grads.U[at:]
		active.scanBackward(t.State, steps, *blk)
		return
	}
	size := ScanChunk * lanes
	blk.delta, blk.u, blk.dy, blk.ld = tail[:size], tail[size:2*size], tail[2*size:3*size], lanes
	blk.dDelta, blk.dU = tail[3*size:4*size], tail[4*size:5*size]
	copyLanes(blk.delta, t.Delta[at:], t.Channels, width, steps)
	copyLanes(blk.u, t.U[at:], t.Channels, width, steps)
	copyLanes(blk.dy, t.dy[at:], t.Channels, width, steps)
	active.scanBackward(t.State, steps, *blk)
	for r := range steps {
		if to := at + r*t.Channels; t.grads.Delta != nil {
			copy(t.grads.Delta[to:to+width], blk.dDelta[r*lanes:])
		}
		if to := at + r*t.Channels; t.grads.U != nil {
			copy(t.grads.U[to:to+width], blk.dU[r*lanes:])
		}
	}
}

// scanFoldTask adds the partial sums of the backward pass: items 0 … B-1 are
// dB and dC of one sequence over spans, the rest dA and dSkip over sequences.
type scanFoldTask struct{ t *scanBackwardTask }

func (f *scanFoldTask) Do(item, _ int) {
	if item < f.t.Batch {
		f.foldBC(item)
		return
	}
	c0 := (item - f.t.Batch) * scanSpan
	f.foldA(c0, min(c0+scanSpan, f.t.Channels))
}

func (f *scanFoldTask) foldBC(batch int) {
	t := f.t
	n, size := t.State, t.Length*2*t.State
	for g := range t.Groups {
		part := t.partBC[(batch*t.Groups+g)*t.spans*size:]
		for s := 1; s < t.spans; s++ {
			active.add(part[:size], part[:size], part[s*size:(s+1)*size])
		}
		for l := range t.Length {
			to := ((batch*t.Length+l)*t.Groups + g) * n
			if t.grads.B != nil {
				copy(t.grads.B[to:to+n], part[2*l*n:])
			}
			if t.grads.C != nil {
				copy(t.grads.C[to:to+n], part[(2*l+1)*n:])
			}
		}
	}
}

func (f *scanFoldTask) foldA(c0, c1 int) {
	t := f.t
	if t.grads.A != nil {
		foldRows(t.grads.A, t.partA, t.Batch, t.Channels*t.State, c0*t.State, c1*t.State)
	}
	if t.grads.Skip != nil {
		foldRows(t.grads.Skip, t.partSkip, t.Batch, t.Channels, c0, c1)
	}
}

// foldRows sets dst[j] = Σ_r part[r*width+j] for j in [j0, j1), rows in order.
func foldRows(dst, part []float32, rows, width, j0, j1 int) {
	d := dst[j0:j1]
	clear(d)
	for r := range rows {
		active.add(d, d, part[r*width+j0:r*width+j1])
	}
}

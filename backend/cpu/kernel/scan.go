package kernel

import "fmt"

// ScanChunk is the number of steps between two checkpoints of a selective scan.
const ScanChunk = 16

// scanSpan is the number of channels one item of a scan handles. Partial sums
// over channels are formed per span, so it is part of the result's definition.
const scanSpan = 128

// ScanInput is the input of the selective scan of Mamba-1 (arXiv 2312.00752).
// Channel c belongs to group c/(D/G).
type ScanInput struct {
	Batch, Length, Channels, State, Groups int // B, L, D, N, G

	U     []float32 // [B, L, D]
	Delta []float32 // [B, L, D], after softplus
	A     []float32 // [D, N], negative
	B, C  []float32 // [B, L, G, N]
	Skip  []float32 // [D], the "D" of the paper; nil: none
	H0    []float32 // [B, D, N], state before the first step; nil: zero

	// First [B, L] is where the document of each step begins; nil: the whole row is one.
	// States are zero before the first step of a document other than step 0.
	First []int64
}

// begins reports whether a document begins at step t, so that the state is dropped.
func (s *ScanInput) begins(batch, t int) bool {
	return s.First != nil && t > 0 && s.First[batch*s.Length+t] == int64(t)
}

// run is the number of steps from t on, up to limit, that belong to one document.
func (s *ScanInput) run(batch, t, limit int) int {
	for n := 1; n < limit; n++ {
		if s.begins(batch, t+n) {
			return n
		}
	}
	return limit
}

// ScanGrads receives gradients, in the shapes of the inputs. A nil slice is
// not wanted.
type ScanGrads struct {
	U, Delta []float32 // [B, L, D]
	A        []float32 // [D, N]
	B, C     []float32 // [B, L, G, N]
	Skip     []float32 // [D]
	H0       []float32 // [B, D, N]
}

// scanLayout holds the sizes derived from a ScanInput.
type scanLayout struct {
	perGroup int // channels per group
	blocks   int // blocks per group, the last one possibly part empty
	spans    int // items per group
	chunks   int // checkpoints per sequence
}

func (s *ScanInput) layout() scanLayout {
	if s.Groups < 1 || s.Channels%s.Groups != 0 {
		panic(fmt.Sprintf("kernel: scan: %d channels do not divide into %d groups", s.Channels, s.Groups))
	}
	per := s.Channels / s.Groups
	return scanLayout{per, ceilDiv(per, active.scanLanes), ceilDiv(per, scanSpan), ceilDiv(s.Length, ScanChunk)}
}

// blockSize is the number of state values of one block.
func (s *ScanInput) blockSize() int { return s.State * active.scanLanes }

func (s *ScanInput) check(name string) {
	extents(name, "B, L, D, N, G", s.Batch, s.Length, s.Channels, s.State, s.Groups)
	rows := s.Batch * s.Length
	need(name, "U", len(s.U), rows*s.Channels)
	need(name, "Delta", len(s.Delta), rows*s.Channels)
	need(name, "A", len(s.A), s.Channels*s.State)
	need(name, "B", len(s.B), rows*s.Groups*s.State)
	need(name, "C", len(s.C), rows*s.Groups*s.State)
	needOrNil(name, "Skip", s.Skip, s.Channels)
	needOrNil(name, "H0", s.H0, s.Batch*s.Channels*s.State)
	if s.First != nil {
		need(name, "First", len(s.First), rows)
	}
}

// ScanCheckpoints is the length of the checkpoints that [ScanForward] leaves
// for [ScanBackward]. It depends on the extents only.
func ScanCheckpoints(s ScanInput) int {
	l := s.layout()
	return s.Batch * l.chunks * s.Groups * l.blocks * s.blockSize()
}

// tail is the room for copies of rows of a part-empty block: delta, u, y, dy, dDelta, dU.
func scanTail() int { return 6 * ScanChunk * active.scanLanes }

func (s *ScanInput) forwardWorkspace() int {
	lanes := active.scanLanes
	return scanSpan/lanes*(2*s.blockSize()+lanes) + scanTail()
}

// ScanScratch is the scratch of [ScanForward].
func ScanScratch(p *Pool, s ScanInput) int { return p.Threads() * s.forwardWorkspace() }

// ScanForward runs the selective scan, for t = 0 … L-1:
//
//	h[t,c,n] = exp(Δ[t,c]·A[c,n])·h[t-1,c,n] + Δ[t,c]·B[t,n]·u[t,c]
//	y[t,c]   = Σ_n C[t,n]·h[t,c,n] + Skip[c]·u[t,c]
//
// y [B, L, D]; hT [B, D, N] receives the last state, nil if not wanted, and may
// be H0; checkpoints is nil when no backward pass follows.
func ScanForward(p *Pool, s ScanInput, y, hT, checkpoints, scratch []float32) {
	const name = "ScanForward"
	s.check(name)
	need(name, "y", len(y), s.Batch*s.Length*s.Channels)
	needOrNil(name, "hT", hT, s.Batch*s.Channels*s.State)
	if checkpoints != nil {
		need(name, "checkpoints", len(checkpoints), ScanCheckpoints(s))
	}
	need(name, "scratch", len(scratch), ScanScratch(p, s))
	t := scanForwardTasks.get()
	defer scanForwardTasks.put(t)
	t.ScanInput, t.scanLayout = s, s.layout()
	t.y, t.hT, t.checkpoints, t.scratch, t.ws = y, hT, checkpoints, scratch, s.forwardWorkspace()
	p.RunTask(s.Batch*s.Groups*t.spans, t)
}

var scanForwardTasks freeList[scanForwardTask]

type scanForwardTask struct {
	ScanInput
	scanLayout
	y, hT, checkpoints, scratch []float32
	ws                          int
}

// scanPlace is the part of the input one item handles.
type scanPlace struct {
	batch, group, span int
	ch, width          int // first channel and number of channels
	block, blocks      int // first block, counted over all groups, and number of blocks
}

func (l *scanLayout) place(item, groups int) scanPlace {
	lanes := active.scanLanes
	var q scanPlace
	q.span = item % l.spans
	q.group = item / l.spans % groups
	q.batch = item / l.spans / groups
	first := q.span * scanSpan
	q.ch, q.width = q.group*l.perGroup+first, min(scanSpan, l.perGroup-first)
	q.block, q.blocks = q.group*l.blocks+first/lanes, ceilDiv(q.width, lanes)
	return q
}

// scanFewSteps is the longest sequence whose states stay where they lie: for more, blocks
// with the channels last repay their making.
const scanFewSteps = 4

func (t *scanForwardTask) Do(item, worker int) {
	lanes := active.scanLanes
	q := t.place(item, t.Groups)
	if t.Length <= scanFewSteps && t.checkpoints == nil && t.hT != nil && q.width%lanes == 0 && t.State%lanes == 0 {
		t.fewSteps(q)
		return
	}
	ws := t.scratch[worker*t.ws : (worker+1)*t.ws]
	bs := t.blockSize()
	a2, ws := ws[:q.blocks*bs], ws[q.blocks*bs:]
	h, ws := ws[:q.blocks*bs], ws[q.blocks*bs:]
	skip, tail := ws[:q.blocks*lanes], ws[q.blocks*lanes:]
	t.loadConstants(q, a2, skip)
	loadState(h, t.H0, q, t.Channels, t.State)
	for k := range t.chunks {
		if t.checkpoints != nil {
			at := ((q.batch*t.chunks+k)*t.Groups*t.blocks + q.block) * bs
			copy(t.checkpoints[at:], h)
		}
		t0 := k * ScanChunk
		for end := min(t0+ScanChunk, t.Length); t0 < end; {
			if t.begins(q.batch, t0) {
				clear(h)
			}
			n := t.run(q.batch, t0, end-t0)
			t.steps(q, t0, n, a2, h, skip, tail)
			t0 += n
		}
	}
	storeState(t.hT, h, q, t.Channels, t.State)
}

// fewSteps runs one span step by step, on the states in hT.
func (t *scanForwardTask) fewSteps(q scanPlace) {
	n := t.State
	at := (q.batch*t.Channels + q.ch) * n
	h, a := t.hT[at:at+q.width*n], t.A[q.ch*n:(q.ch+q.width)*n]
	startState(h, from(t.H0, at))
	for l := range t.Length {
		if t.begins(q.batch, l) {
			clear(h)
		}
		row := q.batch*t.Length + l
		at, bc := row*t.Channels+q.ch, (row*t.Groups+q.group)*n
		u, y := t.U[at:at+q.width], t.y[at:at+q.width]
		if t.Skip == nil {
			clear(y)
		} else {
			active.mul(y, t.Skip[q.ch:q.ch+q.width], u)
		}
		active.scanStep(n, t.Delta[at:at+q.width], u, y, a, t.B[bc:bc+n], t.C[bc:bc+n], h)
	}
}

// steps runs the blocks of one span over at most a chunk of steps.
func (t *scanForwardTask) steps(q scanPlace, t0, steps int, a2, h, skip, tail []float32) {
	lanes := active.scanLanes
	row := (q.batch*t.Length + t0)
	bc := (row*t.Groups + q.group) * t.State
	blk := scanBlock{b: t.B[bc:], c: t.C[bc:], bs: t.Groups * t.State}
	bs := t.blockSize()
	for i := range q.blocks {
		at := row*t.Channels + q.ch + i*lanes
		blk.a2, blk.h, blk.skip = a2[i*bs:(i+1)*bs], h[i*bs:(i+1)*bs], skip[i*lanes:(i+1)*lanes]
		if w := q.width - i*lanes; w < lanes {
			t.partial(&blk, at, w, steps, tail)
			continue
		}
		blk.delta, blk.u, blk.y, blk.ld = t.Delta[at:], t.U[at:], t.y[at:], t.Channels
		active.scanForward(t.State, steps, blk)
	}
}

// partial runs a block of fewer channels than lanes on copies of its rows.
func (t *scanForwardTask) partial(blk *scanBlock, at, w, steps int, tail []float32) {
	lanes := active.scanLanes
	size := ScanChunk * lanes
	blk.delta, blk.u, blk.y, blk.ld = tail[:size], tail[size:2*size], tail[2*size:3*size], lanes
	copyLanes(blk.delta, t.Delta[at:], t.Channels, w, steps)
	copyLanes(blk.u, t.U[at:], t.Channels, w, steps)
	active.scanForward(t.State, steps, *blk)
	for r := range steps {
		copy(t.y[at+r*t.Channels:at+r*t.Channels+w], blk.y[r*lanes:])
	}
}

// copyLanes copies rows of w values into rows of scanLanes, filled up with zeros.
func copyLanes(dst, src []float32, ld, w, rows int) {
	lanes := active.scanLanes
	for r := range rows {
		d := dst[r*lanes : (r+1)*lanes]
		clear(d[copy(d, src[r*ld:r*ld+w]):])
	}
}

// loadConstants fills a2 = A·log₂e and skip for the blocks of q, lanes last.
func (s *ScanInput) loadConstants(q scanPlace, a2, skip []float32) {
	lanes := active.scanLanes
	clear(a2)
	clear(skip)
	n := s.State
	for c := range q.width {
		at := c/lanes*n*lanes + c%lanes
		for k, v := range s.A[(q.ch+c)*n : (q.ch+c+1)*n] {
			a2[at+k*lanes] = v * log2E
		}
		if s.Skip != nil {
			skip[c] = s.Skip[q.ch+c]
		}
	}
}

// loadState turns rows of src [B, D, N] into blocks, lanes last; nil is zero.
func loadState(dst, src []float32, q scanPlace, channels, n int) {
	lanes := active.scanLanes
	clear(dst)
	if src == nil {
		return
	}
	for c := range q.width {
		at := c/lanes*n*lanes + c%lanes
		row := (q.batch*channels + q.ch + c) * n
		for k, v := range src[row : row+n] {
			dst[at+k*lanes] = v
		}
	}
}

// storeState is the inverse of loadState; a nil dst is not wanted.
func storeState(dst, src []float32, q scanPlace, channels, n int) {
	lanes := active.scanLanes
	if dst == nil {
		return
	}
	for c := range q.width {
		at := c/lanes*n*lanes + c%lanes
		row := dst[(q.batch*channels+q.ch+c)*n : (q.batch*channels+q.ch+c+1)*n]
		for k := range row {
			row[k] = src[at+k*lanes]
		}
	}
}

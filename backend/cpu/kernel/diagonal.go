package kernel

// DiagonalChunk is the number of steps between two checkpoints of a diagonal scan.
const DiagonalChunk = 16

// diagonalSpan is the number of channels one item of a diagonal scan handles.
const diagonalSpan = 128

// DiagonalInput is the input of a recurrence with complex modes that do not change in time,
// as S4D (arXiv 2206.11893) and S5 (arXiv 2208.04933) have. Complex numbers are pairs.
type DiagonalInput struct {
	Batch, Length, Channels, Modes, Outputs int // B, L, C, M, O

	U  []float32 // [B, L, C], real
	A  []float32 // [C, M, 2], factor of a mode per step
	W  []float32 // [O, C, M, 2], weight of a mode in an output
	H0 []float32 // [B, C, M, 2], state before the first step; nil: zero

	// First [B, L] is where the document of each step begins; nil: the whole row is one.
	// States are zero before the first step of a document other than step 0.
	First []int64
}

// DiagonalGrads receives gradients, in the shapes of the inputs. A nil slice is not wanted.
type DiagonalGrads struct{ U, A, W, H0 []float32 }

func (s *DiagonalInput) check(name string) {
	extents(name, "B, L, C, M, O", s.Batch, s.Length, s.Channels, s.Modes, s.Outputs)
	states := s.Channels * s.Modes * 2
	need(name, "U", len(s.U), s.Batch*s.Length*s.Channels)
	need(name, "A", len(s.A), states)
	need(name, "W", len(s.W), s.Outputs*states)
	needOrNil(name, "H0", s.H0, s.Batch*states)
	if s.First != nil {
		need(name, "First", len(s.First), s.Batch*s.Length)
	}
}

func (s *DiagonalInput) spans() int  { return ceilDiv(s.Channels, diagonalSpan) }
func (s *DiagonalInput) chunks() int { return ceilDiv(s.Length, DiagonalChunk) }
func (s *DiagonalInput) lanes() int  { return min(diagonalSpan, s.Channels) }

func (s *DiagonalInput) begins(batch, t int) bool {
	return s.First != nil && t > 0 && s.First[batch*s.Length+t] == int64(t)
}

// diagonalSpanOf is the part of the input that one item handles.
type diagonalSpanOf struct{ batch, ch, width int }

func (s *DiagonalInput) place(item int) diagonalSpanOf {
	ch := item % s.spans() * diagonalSpan
	return diagonalSpanOf{item / s.spans(), ch, min(diagonalSpan, s.Channels-ch)}
}

// gather sets re and im to the pairs of one mode of the span's channels in x [C, M, 2].
func (q diagonalSpanOf) gather(re, im, x []float32, modes, mode int) {
	for c := range q.width {
		at := ((q.ch+c)*modes + mode) * 2
		re[c], im[c] = x[at], x[at+1]
	}
}

// scatter is the inverse of gather.
func (q diagonalSpanOf) scatter(x, re, im []float32, modes, mode int) {
	for c := range q.width {
		at := ((q.ch+c)*modes + mode) * 2
		x[at], x[at+1] = re[c], im[c]
	}
}

// modeSize is the number of constants of one mode: a factor, and a weight for each output.
func (s *DiagonalInput) modeSize() int { return 2 * (1 + s.Outputs) * s.lanes() }

// load sets constants, [M][1+O][2][width], to the factors of a span's modes and their weights,
// whose imaginary parts are negated.
func (s *DiagonalInput) load(q diagonalSpanOf, constants []float32) {
	for mode := range s.Modes {
		for which := range 1 + s.Outputs {
			x := s.A
			if which > 0 {
				x = s.W[(which-1)*s.Channels*s.Modes*2:]
			}
			re, im := pairOf(constants, mode*(1+s.Outputs)+which, q.width)
			q.gather(re, im, x, s.Modes, mode)
			if which > 0 {
				active.scale(im, -1, im)
			}
		}
	}
}

// pairOf is the i-th pair of rows of width values.
func pairOf(x []float32, i, width int) (re, im []float32) {
	x = x[2*i*width : 2*(i+1)*width]
	return x[:width], x[width:]
}

// block is one mode of a span over some steps, on constants of load and rows of a chunk.
func (s *DiagonalInput) block(q diagonalSpanOf, mode, steps int, constants []float32, r diagonalRows) diagonalBlock {
	at := mode * 2 * (1 + s.Outputs) * q.width
	return diagonalBlock{
		width: q.width, steps: steps, outputs: s.Outputs, stride: q.width,
		u: r.u, y: r.y, a: constants[at:], w: constants[at+2*q.width:],
	}
}

// diagonalRows are copies of a span's rows: all modes go through them, and rows of the whole
// lie so far apart that some extents would put them all in the same few places of the cache.
type diagonalRows struct {
	u []float32 // [16][width]
	y []float32 // [16][O][width]
}

func (s *DiagonalInput) rowSize() int { return DiagonalChunk * (1 + s.Outputs) * s.lanes() }

// rows divides memory of rowSize.
func (s *DiagonalInput) rows(q diagonalSpanOf, ws []float32) diagonalRows {
	n := DiagonalChunk * q.width
	return diagonalRows{ws[:n], ws[n : n*(1+s.Outputs)]}
}

// gatherRows sets to [rows][width] to the span's part of rows of x [B, L, …, C] from row on.
func (s *DiagonalInput) gatherRows(q diagonalSpanOf, to, x []float32, row, rows int) {
	for i := range rows {
		copy(to[i*q.width:(i+1)*q.width], x[(row+i)*s.Channels+q.ch:])
	}
}

// scatterRows is the inverse of gatherRows.
func (s *DiagonalInput) scatterRows(q diagonalSpanOf, x, from []float32, row, rows int) {
	for i := range rows {
		copy(x[(row+i)*s.Channels+q.ch:], from[i*q.width:(i+1)*q.width])
	}
}

func (s *DiagonalInput) forwardWorkspace() int {
	return s.Modes*(s.modeSize()+2*s.lanes()) + s.rowSize()
}

// DiagonalCheckpoints is the length of the checkpoints that [DiagonalForward] leaves for
// [DiagonalBackward]: the states before every chunk, [B, ⌈L/16⌉, M, 2, C].
func DiagonalCheckpoints(s DiagonalInput) int {
	return s.Batch * s.chunks() * s.Modes * 2 * s.Channels
}

// DiagonalScratch is the scratch of [DiagonalForward].
func DiagonalScratch(p *Pool, s DiagonalInput) int { return p.Threads() * s.forwardWorkspace() }

// DiagonalForward computes, for t = 0 … L-1,
//
//	h[t,c,m] = A[c,m]·h[t-1,c,m] + U[t,c]
//	y[t,o,c] = Re Σ_m W[o,c,m]·h[t,c,m]
//
// y [B, L, O, C]; hT [B, C, M, 2] receives the last state, nil if not wanted, and may be H0;
// checkpoints is nil when no backward pass follows.
func DiagonalForward(p *Pool, s DiagonalInput, y, hT, checkpoints, scratch []float32) {
	const name = "DiagonalForward"
	s.check(name)
	need(name, "y", len(y), s.Batch*s.Length*s.Outputs*s.Channels)
	needOrNil(name, "hT", hT, s.Batch*s.Channels*s.Modes*2)
	needOrNil(name, "checkpoints", checkpoints, DiagonalCheckpoints(s))
	need(name, "scratch", len(scratch), DiagonalScratch(p, s))
	t := diagonalForwardTasks.get()
	defer diagonalForwardTasks.put(t)
	t.DiagonalInput, t.y, t.hT, t.checkpoints, t.scratch, t.ws = s, y, hT, checkpoints, scratch, s.forwardWorkspace()
	p.RunTask(s.Batch*s.spans(), t)
}

var diagonalForwardTasks freeList[diagonalForwardTask]

type diagonalForwardTask struct {
	DiagonalInput
	y, hT, checkpoints, scratch []float32
	ws                          int
}

func (t *diagonalForwardTask) Do(item, worker int) {
	q := t.place(item)
	if t.Length == 1 && t.Outputs == 1 && t.checkpoints == nil && t.hT != nil {
		t.one(q)
		return
	}
	ws := t.scratch[worker*t.ws : (worker+1)*t.ws]
	rows, ws := t.rows(q, ws), ws[t.rowSize():]
	constants, h := ws[:t.Modes*t.modeSize()], ws[t.Modes*t.modeSize():]
	t.load(q, constants)
	state := q.batch * t.Channels * t.Modes * 2
	for mode := range t.Modes {
		re, im := pairOf(h, mode, q.width)
		clear(re)
		clear(im)
		if t.H0 != nil {
			q.gather(re, im, t.H0[state:], t.Modes, mode)
		}
	}
	for k := range t.chunks() {
		if t.checkpoints != nil {
			for mode := range t.Modes {
				at := t.checkpoint(q, k, mode)
				re, im := pairOf(h, mode, q.width)
				copy(t.checkpoints[at:], re)
				copy(t.checkpoints[at+t.Channels:], im)
			}
		}
		t.chunk(q, k*DiagonalChunk, min((k+1)*DiagonalChunk, t.Length), constants, h, rows)
	}
	if t.hT != nil {
		for mode := range t.Modes {
			re, im := pairOf(h, mode, q.width)
			q.scatter(t.hT[state:], re, im, t.Modes, mode)
		}
	}
}

// chunk runs the steps from t0 to end, document by document; h is [M][2][width].
func (t *diagonalForwardTask) chunk(q diagonalSpanOf, t0, end int, constants, h []float32, r diagonalRows) {
	for t0 < end {
		steps := 1
		for t0+steps < end && !t.begins(q.batch, t0+steps) {
			steps++
		}
		if t.begins(q.batch, t0) {
			clear(h)
		}
		row := q.batch*t.Length + t0
		t.gatherRows(q, r.u, t.U, row, steps)
		clear(r.y)
		for mode := range t.Modes {
			s := t.block(q, mode, steps, constants, r)
			s.h, s.halfH = h[2*mode*q.width:], q.width
			active.diagonalForward(s)
		}
		t.scatterRows(q, t.y, r.y, row*t.Outputs, steps*t.Outputs)
		t0 += steps
	}
}

// one is a single step of a single output, on pairs as they lie.
func (t *diagonalForwardTask) one(q diagonalSpanOf) {
	n := t.Modes * 2
	at, c := (q.batch*t.Channels+q.ch)*n, q.batch*t.Channels+q.ch
	h := t.hT[at : at+q.width*n]
	startState(h, from(t.H0, at))
	active.diagonalStep(t.U[c:c+q.width], t.A[q.ch*n:(q.ch+q.width)*n], t.W[q.ch*n:(q.ch+q.width)*n], h, t.y[c:c+q.width])
}

// checkpoint is where the states of a mode before a chunk are kept, real parts first.
func (s *DiagonalInput) checkpoint(q diagonalSpanOf, chunk, mode int) int {
	return ((q.batch*s.chunks()+chunk)*s.Modes+mode)*2*s.Channels + q.ch
}

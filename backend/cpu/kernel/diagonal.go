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

// mode is the constants of one mode, a value for each channel of a span.
type diagonalMode struct {
	re, im, minusIm []float32   // factor
	w               [][]float32 // 2·O: real part, then minus the imaginary one, of each weight
}

// constants loads all modes of a span into memory of constantSize values per mode.
func (s *DiagonalInput) constants(q diagonalSpanOf, m *diagonalMode, mode int, ws []float32) {
	take := func() []float32 {
		part := ws[:q.width]
		ws = ws[q.width:]
		return part
	}
	m.re, m.im, m.minusIm = take(), take(), take()
	q.gather(m.re, m.im, s.A, s.Modes, mode)
	active.scale(m.minusIm, -1, m.im)
	m.w = m.w[:0]
	for o := range s.Outputs {
		re, im := take(), take()
		q.gather(re, im, s.W[o*s.Channels*s.Modes*2:], s.Modes, mode)
		active.scale(im, -1, im)
		m.w = append(m.w, re, im)
	}
}

func (s *DiagonalInput) constantSize() int { return (3 + 2*s.Outputs) * s.lanes() }

// step sets (re2, im2) = a·(re, im) + u; the two states must not be the same memory.
func (m *diagonalMode) step(re2, im2, re, im, u []float32) {
	active.mul(re2, m.re, re)
	active.mulAdd(re2, m.minusIm, im)
	active.add(re2, re2, u)
	active.mul(im2, m.re, im)
	active.mulAdd(im2, m.im, re)
}

func (s *DiagonalInput) forwardWorkspace() int {
	return s.constantSize() + (2*s.Modes+2)*s.lanes()
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
	constants, ws := ws[:t.constantSize()], ws[t.constantSize():]
	re2, im2, h := ws[:q.width], ws[q.width:2*q.width], ws[2*q.width:]
	state := q.batch * t.Channels * t.Modes * 2
	var buffer [8][]float32
	m := diagonalMode{w: buffer[:0]}
	for mode := range t.Modes {
		re, im := h[2*mode*q.width:(2*mode+1)*q.width], h[(2*mode+1)*q.width:(2*mode+2)*q.width]
		clear(re)
		clear(im)
		if t.H0 != nil {
			q.gather(re, im, t.H0[state:], t.Modes, mode)
		}
		t.constants(q, &m, mode, constants)
		for l := range t.Length {
			if t.checkpoints != nil && l%DiagonalChunk == 0 {
				at := t.checkpoint(q, l/DiagonalChunk, mode)
				copy(t.checkpoints[at:], re)
				copy(t.checkpoints[at+t.Channels:], im)
			}
			if t.begins(q.batch, l) {
				clear(re)
				clear(im)
			}
			row := q.batch*t.Length + l
			m.step(re2, im2, re, im, t.U[row*t.Channels+q.ch:][:q.width])
			re, re2, im, im2 = re2, re, im2, im
			for o := range t.Outputs {
				dst := t.y[(row*t.Outputs+o)*t.Channels+q.ch:][:q.width]
				if mode == 0 {
					clear(dst)
				}
				active.mulAdd(dst, m.w[2*o], re)
				active.mulAdd(dst, m.w[2*o+1], im)
			}
		}
		if t.hT != nil {
			q.scatter(t.hT[state:], re, im, t.Modes, mode)
		}
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

package kernel

func (s *DiagonalInput) backwardWorkspace() int {
	return s.Modes*(s.modeSize()+2*s.lanes()) + (2*(DiagonalChunk+1)+1+DiagonalChunk)*s.lanes() + s.rowSize()
}

// partSize is the number of sums of one batch entry: of A's gradient, then W's.
func (s *DiagonalInput) partSize() int { return (1 + s.Outputs) * s.Modes * 2 * s.Channels }

// DiagonalBackwardScratch is the scratch of [DiagonalBackward].
func DiagonalBackwardScratch(p *Pool, s DiagonalInput) int {
	return p.Threads()*s.backwardWorkspace() + s.Batch*s.partSize()
}

// DiagonalBackward is the gradient of [DiagonalForward] given dy [B, L, O, C] (nil: zero) and
// dhT [B, C, M, 2] (nil: zero). With S[t] the gradient of h[t], as a pair, and ā, w̄ complex
// conjugates,
//
//	S[t] = Σ_o w̄·dy[t] + ā·S[t+1]       dU[t] = Re Σ_m S[t]
//	dA   = Σ_t S[t]·h̄[t-1]              dW    = Σ_t dy[t]·h̄[t]
//
// States are recomputed from the checkpoints of the forward pass.
func DiagonalBackward(p *Pool, s DiagonalInput, checkpoints, dy, dhT []float32, g DiagonalGrads, scratch []float32) {
	const name = "DiagonalBackward"
	s.check(name)
	states := s.Channels * s.Modes * 2
	need(name, "checkpoints", len(checkpoints), DiagonalCheckpoints(s))
	needOrNil(name, "dy", dy, s.Batch*s.Length*s.Outputs*s.Channels)
	needOrNil(name, "dhT", dhT, s.Batch*states)
	needOrNil(name, "the gradient of U", g.U, s.Batch*s.Length*s.Channels)
	needOrNil(name, "the gradient of A", g.A, states)
	needOrNil(name, "the gradient of W", g.W, s.Outputs*states)
	needOrNil(name, "the gradient of H0", g.H0, s.Batch*states)
	need(name, "scratch", len(scratch), DiagonalBackwardScratch(p, s))
	t := diagonalBackwardTasks.get()
	defer diagonalBackwardTasks.put(t)
	t.DiagonalInput, t.grads, t.checkpoints, t.dy, t.dhT, t.ws = s, g, checkpoints, dy, dhT, s.backwardWorkspace()
	t.parts, t.scratch = scratch[:s.Batch*s.partSize()], scratch[s.Batch*s.partSize():]
	p.RunTask(s.Batch*s.spans(), t)
	t.fold()
}

var diagonalBackwardTasks freeList[diagonalBackwardTask]

type diagonalBackwardTask struct {
	DiagonalInput
	grads                         DiagonalGrads
	checkpoints, dy, dhT, scratch []float32
	parts                         []float32 // [B, 1+O, M, 2, C]
	ws                            int
}

// diagonalAdjoint is the working set of one item.
type diagonalAdjoint struct {
	diagonalSpanOf
	constants []float32    // of load
	carry     []float32    // [M][2][width], ā·S of the step behind
	sums      []float32    // [1+O][M][2][C] of the batch entry, from the span's first channel on
	hist      []float32    // [17][2][width]
	zero      []float32    // [width]
	rows      diagonalRows // u, and the gradient of y
	du        []float32    // [16][width]
}

func (t *diagonalBackwardTask) Do(item, worker int) {
	w := diagonalAdjoint{diagonalSpanOf: t.place(item)}
	ws := t.scratch[worker*t.ws : (worker+1)*t.ws]
	take := func(n int) []float32 {
		part := ws[:n]
		ws = ws[n:]
		return part
	}
	w.constants, w.carry = take(t.Modes*t.modeSize()), take(t.Modes*2*w.width)
	w.hist, w.zero, w.du = take(2*(DiagonalChunk+1)*w.width), take(w.width), take(DiagonalChunk*w.width)
	w.rows = t.rows(w.diagonalSpanOf, ws)
	t.load(w.diagonalSpanOf, w.constants)
	w.sums = t.parts[w.batch*t.partSize()+w.ch : (w.batch+1)*t.partSize()]
	for i := range (1 + t.Outputs) * t.Modes * 2 {
		clear(w.sums[i*t.Channels:][:w.width])
	}
	clear(w.carry)
	clear(w.zero)
	clear(w.rows.y)
	state := w.batch * t.Channels * t.Modes * 2
	for mode := range t.Modes {
		if t.dhT != nil {
			re, im := pairOf(w.carry, mode, w.width)
			w.gather(re, im, t.dhT[state:], t.Modes, mode)
		}
	}
	for k := t.chunks() - 1; k >= 0; k-- {
		t.chunk(&w, k)
	}
	for mode := range t.Modes {
		if t.grads.H0 != nil {
			re, im := pairOf(w.carry, mode, w.width)
			w.scatter(t.grads.H0[state:], re, im, t.Modes, mode)
		}
	}
}

// chunk runs the documents of one chunk, the last one first.
func (t *diagonalBackwardTask) chunk(w *diagonalAdjoint, k int) {
	t0 := k * DiagonalChunk
	for end := min(t0+DiagonalChunk, t.Length); end > t0; {
		start := end - 1
		for start > t0 && !t.begins(w.batch, start) {
			start--
		}
		t.steps(w, k, start, end-start)
		if t.begins(w.batch, start) { // nothing flows into the document before
			clear(w.carry)
		}
		end = start
	}
}

// steps runs steps of chunk k that belong to one document, from t0 on.
func (t *diagonalBackwardTask) steps(w *diagonalAdjoint, k, t0, steps int) {
	row := w.batch*t.Length + t0
	t.gatherRows(w.diagonalSpanOf, w.rows.u, t.U, row, steps)
	if t.dy != nil {
		t.gatherRows(w.diagonalSpanOf, w.rows.y, t.dy, row*t.Outputs, steps*t.Outputs)
	}
	clear(w.du)
	for mode := range t.Modes {
		s := t.block(w.diagonalSpanOf, mode, steps, w.constants, w.rows)
		s.du = w.du
		s.h = w.zero
		if !t.begins(w.batch, t0) {
			s.h, s.halfH = t.checkpoints[t.checkpoint(w.diagonalSpanOf, k, mode):], t.Channels
		}
		s.carry, s.hist = w.carry[2*mode*w.width:], w.hist
		s.sums, s.halfSum, s.nextSum = w.sums[2*mode*t.Channels:], t.Channels, 2*t.Modes*t.Channels
		active.diagonalBackward(s)
	}
	if t.grads.U != nil {
		t.scatterRows(w.diagonalSpanOf, t.grads.U, w.du, row, steps)
	}
}

// fold adds the parts of all batch entries, in their order, and turns them into pairs.
func (t *diagonalBackwardTask) fold() {
	for which := range 1 + t.Outputs {
		dst := t.grads.A
		if which > 0 && t.grads.W != nil {
			dst = t.grads.W[(which-1)*t.Channels*t.Modes*2:]
		}
		if dst == nil || which > 0 && t.grads.W == nil {
			continue
		}
		for mode := range t.Modes {
			for half := range 2 {
				at := ((which*t.Modes+mode)*2 + half) * t.Channels
				for c := range t.Channels {
					sum := float32(0)
					for b := range t.Batch {
						sum += t.parts[b*t.partSize()+at+c]
					}
					dst[(c*t.Modes+mode)*2+half] = sum
				}
			}
		}
	}
}

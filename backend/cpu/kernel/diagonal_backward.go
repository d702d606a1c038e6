package kernel

func (s *DiagonalInput) backwardWorkspace() int {
	return s.constantSize() + (2*(DiagonalChunk+1)+5+2*s.Outputs+2)*s.lanes()
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

// diagonalAdjoint is the working set of one mode of one item.
type diagonalAdjoint struct {
	diagonalSpanOf
	diagonalMode
	history  []float32   // [17, 2, width], the states before and behind every step of a chunk
	re, im   []float32   // S[t], of the step behind
	re2, im2 []float32   // S[t], of this step
	minus    []float32   // a gradient that is subtracted
	aRe, aIm []float32   // sums of dA
	wRe, wIm [][]float32 // sums of dW, each output
}

func (t *diagonalBackwardTask) Do(item, worker int) {
	var weights [8][]float32
	var sums [2][4][]float32
	w := diagonalAdjoint{diagonalSpanOf: t.place(item), wRe: sums[0][:0], wIm: sums[1][:0]}
	w.w = weights[:0]
	ws := t.scratch[worker*t.ws : (worker+1)*t.ws]
	constants, ws := ws[:t.constantSize()], ws[t.constantSize():]
	take := func(n int) []float32 {
		part := ws[:n*w.width]
		ws = ws[n*w.width:]
		return part
	}
	w.history = take(2 * (DiagonalChunk + 1))
	w.re, w.im, w.re2, w.im2, w.minus = take(1), take(1), take(1), take(1), take(1)
	state := w.batch * t.Channels * t.Modes * 2
	for mode := range t.Modes {
		t.constants(w.diagonalSpanOf, &w.diagonalMode, mode, constants)
		part := func(which, half int) []float32 {
			at := (((w.batch*(1+t.Outputs)+which)*t.Modes+mode)*2 + half) * t.Channels
			sum := t.parts[at+w.ch:][:w.width]
			clear(sum)
			return sum
		}
		w.aRe, w.aIm, w.wRe, w.wIm = part(0, 0), part(0, 1), w.wRe[:0], w.wIm[:0]
		for o := range t.Outputs {
			w.wRe, w.wIm = append(w.wRe, part(1+o, 0)), append(w.wIm, part(1+o, 1))
		}
		clear(w.re)
		clear(w.im)
		if t.dhT != nil {
			w.gather(w.re, w.im, t.dhT[state:], t.Modes, mode)
		}
		for k := t.chunks() - 1; k >= 0; k-- {
			t.chunk(&w, k, mode)
		}
		if t.grads.H0 != nil {
			w.scatter(t.grads.H0[state:], w.re, w.im, t.Modes, mode)
		}
	}
}

// at is the state behind step i of a chunk, 0 for the one before it.
func (w *diagonalAdjoint) at(i int) (re, im []float32) {
	return w.history[2*i*w.width : (2*i+1)*w.width], w.history[(2*i+1)*w.width : (2*i+2)*w.width]
}

// chunk runs one chunk of one mode forward again, and then backwards.
func (t *diagonalBackwardTask) chunk(w *diagonalAdjoint, k, mode int) {
	t0 := k * DiagonalChunk
	n := min(DiagonalChunk, t.Length-t0)
	re, im := w.at(0)
	at := t.checkpoint(w.diagonalSpanOf, k, mode)
	copy(re, t.checkpoints[at:])
	copy(im, t.checkpoints[at+t.Channels:])
	for i := range n {
		re, im := w.at(i)
		if t.begins(w.batch, t0+i) { // the step before has been used by then
			clear(w.re2)
			re, im = w.re2, w.re2
		}
		re2, im2 := w.at(i + 1)
		w.step(re2, im2, re, im, t.U[(w.batch*t.Length+t0+i)*t.Channels+w.ch:][:w.width])
	}
	for i := n - 1; i >= 0; i-- {
		t.back(w, t0+i, i, mode)
	}
}

// back is one step backwards: w.re and w.im hold ā·S of the step behind on entry, and of this
// one when it returns.
func (t *diagonalBackwardTask) back(w *diagonalAdjoint, l, i, mode int) {
	row := w.batch*t.Length + l
	re, im := w.at(i + 1)
	if t.dy != nil {
		for o := range t.Outputs {
			dy := t.dy[(row*t.Outputs+o)*t.Channels+w.ch:][:w.width]
			active.mulAdd(w.re, w.w[2*o], dy)
			active.mulAdd(w.im, w.w[2*o+1], dy)
			if t.grads.W != nil {
				active.mulAdd(w.wRe[o], dy, re)
				active.scale(w.minus, -1, im)
				active.mulAdd(w.wIm[o], dy, w.minus)
			}
		}
	}
	if t.grads.U != nil {
		du := t.grads.U[row*t.Channels+w.ch:][:w.width]
		if mode == 0 {
			clear(du)
		}
		active.add(du, du, w.re)
	}
	if t.begins(w.batch, l) { // nothing flows into the document before
		clear(w.re)
		clear(w.im)
		return
	}
	re, im = w.at(i) // the state before
	active.mulAdd(w.aRe, w.re, re)
	active.mulAdd(w.aRe, w.im, im)
	active.mulAdd(w.aIm, w.im, re)
	active.scale(w.minus, -1, im)
	active.mulAdd(w.aIm, w.re, w.minus)
	active.mul(w.re2, w.diagonalMode.re, w.re)
	active.mulAdd(w.re2, w.diagonalMode.im, w.im)
	active.mul(w.im2, w.diagonalMode.re, w.im)
	active.mulAdd(w.im2, w.minusIm, w.re)
	w.re, w.re2, w.im, w.im2 = w.re2, w.re, w.im2, w.im
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

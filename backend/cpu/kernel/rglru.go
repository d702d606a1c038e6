package kernel

import "math"

// rglruSpan is the number of channels one item handles.
const rglruSpan = 256

// RGLRUInput is the input of the real-gated linear recurrent unit (arXiv 2402.19427).
type RGLRUInput struct {
	Batch, Length, Width int       // B, L, W
	X, Decay             []float32 // [B, L, W]; Decay is a logarithm, at most 0
	Position             []int64   // [B, L], 0 where a document begins
	H0                   []float32 // [B, W], state before the first step; nil: zero
}

func (s *RGLRUInput) check(name string) {
	extents(name, "B, L, W", s.Batch, s.Length, s.Width)
	n := s.Batch * s.Length
	need(name, "X", len(s.X), n*s.Width)
	need(name, "Decay", len(s.Decay), n*s.Width)
	need(name, "Position", len(s.Position), n)
	needOrNil(name, "H0", s.H0, s.Batch*s.Width)
}

// spans is the number of items of one sequence.
func (s *RGLRUInput) spans() int { return ceilDiv(s.Width, rglruSpan) }

// place is the sequence and the channels of an item.
func (s *RGLRUInput) place(item int) (batch, c0, width int) {
	c0 = item % s.spans() * rglruSpan
	return item / s.spans(), c0, min(rglruSpan, s.Width-c0)
}

// RGLRUScratch is the scratch of [RGLRUForward] and [RGLRUBackward].
func RGLRUScratch(p *Pool, _ RGLRUInput) int { return p.Threads() * 3 * rglruSpan }

// RGLRUForward runs the recurrence, for t = 0 … L−1:
//
//	a = e^Decay[t]    h[t] = a·h[t−1] + √(1−a²)·x[t]    h[t] = x[t] at position 0
//
// h [B, L, W]; last [B, W] receives the state behind the last step, nil if not wanted, and may be H0.
func RGLRUForward(p *Pool, s RGLRUInput, h, last, scratch []float32) {
	const name = "RGLRUForward"
	s.check(name)
	need(name, "h", len(h), len(s.X))
	needOrNil(name, "last", last, s.Batch*s.Width)
	need(name, "scratch", len(scratch), RGLRUScratch(p, s))
	t := rglruTasks.get()
	defer rglruTasks.put(t)
	t.RGLRUInput, t.h, t.last, t.scratch = s, h, last, scratch
	p.RunTask(s.Batch*s.spans(), t)
}

var rglruTasks freeList[rglruTask]

type rglruTask struct {
	RGLRUInput
	h, last, scratch []float32
}

func (t *rglruTask) Do(item, worker int) {
	batch, c0, width := t.place(item)
	ws := t.scratch[worker*3*rglruSpan:]
	a, state := ws[:width], ws[rglruSpan:rglruSpan+width]
	clear(state)
	if t.H0 != nil {
		copy(state, t.H0[batch*t.Width+c0:])
	}
	for l := range t.Length {
		row := batch*t.Length + l
		x, h := t.X[row*t.Width+c0:][:width], t.h[row*t.Width+c0:][:width]
		if t.Position[row] == 0 {
			copy(state, x)
		} else {
			active.exp(a, t.Decay[row*t.Width+c0:][:width])
			active.rglruStep(state, x, a)
		}
		copy(h, state)
	}
	if t.last != nil {
		copy(t.last[batch*t.Width+c0:], state)
	}
}

// root is √x in float32.
func root(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// rglruFloor bounds 1−a² from below in the gradient of its root, which is then at most 1000
// as in the authors' code.
const rglruFloor = 0.25e-6

// RGLRUBackward is the gradient of [RGLRUForward] from its result h and the gradients of h and
// of the last state, either of which may be nil. Backwards in time, S = dh[t] + a[t+1]·S:
//
//	dx = √(1−a²)·S    dDecay = a·h[t−1]·S − a²/√(1−a²)·x·S    dH0 = a[0]·S
//
// and at position 0 dx = S, dDecay = 0, and nothing passes on.
func RGLRUBackward(p *Pool, s RGLRUInput, h, dh, dlast, dx, dDecay, dH0, scratch []float32) {
	const name = "RGLRUBackward"
	s.check(name)
	need(name, "h", len(h), len(s.X))
	needOrNil(name, "dh", dh, len(s.X))
	needOrNil(name, "dlast", dlast, s.Batch*s.Width)
	need(name, "dx", len(dx), len(s.X))
	need(name, "dDecay", len(dDecay), len(s.X))
	needOrNil(name, "dH0", dH0, s.Batch*s.Width)
	need(name, "scratch", len(scratch), RGLRUScratch(p, s))
	t := rglruBackTasks.get()
	defer rglruBackTasks.put(t)
	t.RGLRUInput, t.h, t.dh, t.dlast, t.dx, t.dDecay, t.dH0, t.scratch = s, h, dh, dlast, dx, dDecay, dH0, scratch
	p.RunTask(s.Batch*s.spans(), t)
}

var rglruBackTasks freeList[rglruBackTask]

type rglruBackTask struct {
	RGLRUInput
	h, dh, dlast, dx, dDecay, dH0, scratch []float32
}

func (t *rglruBackTask) Do(item, worker int) {
	batch, c0, width := t.place(item)
	ws := t.scratch[worker*3*rglruSpan:]
	a, s, none := ws[:width], ws[rglruSpan:rglruSpan+width], ws[2*rglruSpan:2*rglruSpan+width]
	clear(s)
	clear(none)
	if t.dlast != nil {
		copy(s, t.dlast[batch*t.Width+c0:])
	}
	for l := t.Length - 1; l >= 0; l-- {
		at := (batch*t.Length+l)*t.Width + c0
		if t.dh != nil {
			active.add(s, s, t.dh[at:at+width])
		}
		dx, dd := t.dx[at:at+width], t.dDecay[at:at+width]
		if t.Position[batch*t.Length+l] == 0 {
			copy(dx, s)
			clear(dd)
			clear(s)
			continue
		}
		active.exp(a, t.Decay[at:at+width])
		before := none
		switch {
		case l > 0:
			before = t.h[at-t.Width:][:width]
		case t.H0 != nil:
			before = t.H0[batch*t.Width+c0:][:width]
		}
		active.rglruInputGrad(dx, s, a)
		active.rglruDecayGrad(dd, s, t.X[at:at+width], before, a)
		active.mul(s, s, a)
	}
	if t.dH0 != nil {
		copy(t.dH0[batch*t.Width+c0:], s)
	}
}

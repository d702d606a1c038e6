package kernel

// ConvGrads receives gradients, in the shapes of the inputs of [ConvForward].
// A nil slice is not wanted.
type ConvGrads struct {
	X    []float32 // [B, L, C]
	W    []float32 // [C, K]
	Bias []float32 // [C]
	Past []float32 // [B, C, K-1]
}

// ConvBackwardScratch is the scratch of [ConvBackward].
func ConvBackwardScratch(p *Pool, s ConvShape) int {
	return p.Threads()*s.workspace() + s.Batch*s.Channels*(s.Taps+1)
}

// ConvBackward is the gradient of [ConvForward] given dy [B, L, C] and dNewPast
// [B, C, K-1] (nil: zero):
//
//	dx[s] = Σ_j w[c,K-1-j]·dy[s+j]      dw[c,j] = Σ_{b,t} dy[t]·x[t-(K-1)+j]
//	dbias = Σ_{b,t} dy[t]
//
// and dNewPast is added where its values came from.
func ConvBackward(p *Pool, s ConvShape, x, w, past, dy, dNewPast []float32, g ConvGrads, scratch []float32) {
	const name = "ConvBackward"
	s.check(name)
	n, state := s.Batch*s.Length*s.Channels, s.Batch*s.Channels*(s.Taps-1)
	need(name, "x", len(x), n)
	need(name, "w", len(w), s.Channels*s.Taps)
	needOrNil(name, "past", past, state)
	need(name, "dy", len(dy), n)
	needOrNil(name, "dNewPast", dNewPast, state)
	needOrNil(name, "the gradient of x", g.X, n)
	needOrNil(name, "the gradient of w", g.W, s.Channels*s.Taps)
	needOrNil(name, "the gradient of bias", g.Bias, s.Channels)
	needOrNil(name, "the gradient of past", g.Past, state)
	need(name, "scratch", len(scratch), ConvBackwardScratch(p, s))
	t := convBackTasks.get()
	defer convBackTasks.put(t)
	t.ConvShape, t.grads, t.x, t.w, t.past, t.dy, t.dNewPast = s, g, x, w, past, dy, dNewPast
	part := s.Batch * s.Channels * (s.Taps + 1)
	t.part, t.scratch, t.ws = scratch[:part], scratch[part:], s.workspace()
	t.spans = ceilDiv(s.Channels, convSpan)
	p.RunTask(s.Batch*t.spans, t)
	t.fold()
}

var convBackTasks freeList[convBackTask]

type convBackTask struct {
	ConvShape
	grads                             ConvGrads
	x, w, past, dy, dNewPast, scratch []float32
	part                              []float32 // [B, K+1, C]: dw by tap, then dbias
	ws, spans                         int
}

func (t *convBackTask) Do(item, worker int) {
	ws := t.scratch[worker*t.ws : (worker+1)*t.ws]
	batch, c0 := item/t.spans, item%t.spans*convSpan
	width, k1 := min(convSpan, t.Channels-c0), t.Taps-1
	taps, ws := ws[:t.Taps*width], ws[t.Taps*width:]
	zero, ws := ws[:width], ws[width:]
	clear(zero)
	at := batch*t.Length*t.Channels + c0
	head, ws := ws[:2*k1*width], ws[2*k1*width:]
	head, lead := t.loadHead(head, t.x[min(at, len(t.x)):], t.past, batch, c0, width)
	t.weights(head, lead, batch, c0, width)
	if t.grads.X != nil && t.Length > 0 {
		loadTaps(taps, t.w, t.Taps, c0, width, true)
		t.inputs(ws, taps, zero, at, width)
		t.endings(taps, batch, c0, width)
	}
	if t.grads.Past != nil {
		t.pastGrad(batch, c0, width)
	}
	if t.grads.X != nil && t.dNewPast != nil {
		t.addNewPast(batch, c0, width)
	}
}

// weights sums dw and dbias of one sequence into part.
func (t *convBackTask) weights(head []float32, lead, batch, c0, width int) {
	at := batch*t.Length*t.Channels + c0
	row := func(j int) []float32 {
		from := (batch*(t.Taps+1)+j)*t.Channels + c0
		return t.part[from : from+width]
	}
	for j := range t.Taps + 1 {
		clear(row(j))
	}
	if t.First == nil {
		part := t.part[batch*(t.Taps+1)*t.Channels+c0:]
		active.convWeights(lead, t.Taps, width, head, width, t.dy[min(at, len(t.dy)):], t.Channels, part, t.Channels)
		if lead < t.Length {
			active.convWeights(t.Length-lead, t.Taps, width, t.x[at:], t.Channels, t.dy[at+lead*t.Channels:], t.Channels, part, t.Channels)
		}
		return
	}
	for l := range t.Length {
		dy := t.dy[at+l*t.Channels : at+l*t.Channels+width]
		for j := max(0, t.first(batch, l)-(l-t.Taps+1)); j < t.Taps; j++ {
			if l < lead {
				active.mulAdd(row(j), dy, head[(l+j)*width:(l+j+1)*width])
			} else {
				from := at + (l-t.Taps+1+j)*t.Channels
				active.mulAdd(row(j), dy, t.x[from:from+width])
			}
		}
		active.add(row(t.Taps), row(t.Taps), dy)
	}
}

// convWeightsGeneric adds dw and dbias of rows to rows of part, ldp apart: tap j gets
// Σ_t dy[t]·x[t+j], the row behind the taps Σ_t dy[t].
func convWeightsGeneric(rows, taps, width int, x []float32, ld int, dy []float32, ldy int, part []float32, ldp int) {
	for t := range rows {
		d := dy[t*ldy : t*ldy+width]
		for j := range taps {
			active.mulAdd(part[j*ldp:j*ldp+width], d, x[(t+j)*ld:(t+j)*ld+width])
		}
		active.add(part[taps*ldp:taps*ldp+width], part[taps*ldp:taps*ldp+width], d)
	}
}

// inputs computes dx of one sequence: the same convolution over dy with the
// taps reversed, looking forward; behind the last step dy is zero.
func (t *convBackTask) inputs(ws, taps, zero []float32, at, width int) {
	k1 := t.Taps - 1
	lead := min(k1, t.Length)
	body := t.Length - lead
	active.convRows(body, t.Taps, width, t.dy[at:], t.Channels, taps, zero, t.grads.X[at:], t.Channels)
	tail := ws[:(lead+k1)*width]
	clear(tail)
	for r := range lead {
		copy(tail[r*width:(r+1)*width], t.dy[at+(body+r)*t.Channels:])
	}
	active.convRows(lead, t.Taps, width, tail, width, taps, zero, t.grads.X[at+body*t.Channels:], t.Channels)
}

// endings computes anew dx of the last steps of a document, whose inputs the next one does
// not see.
func (t *convBackTask) endings(taps []float32, batch, c0, width int) {
	if t.First == nil {
		return
	}
	for s := range t.Length {
		end := min(s+t.Taps, t.Length)
		if t.first(batch, end-1) <= s {
			continue
		}
		at := (batch*t.Length+s)*t.Channels + c0
		dx := t.grads.X[at : at+width]
		clear(dx)
		for l := s; l < end && t.first(batch, l) <= s; l++ {
			from := (batch*t.Length+l)*t.Channels + c0
			active.mulAdd(dx, taps[(l-s)*width:(l-s+1)*width], t.dy[from:from+width])
		}
	}
}

// pastGrad: dpast[r] = Σ_j w[j]·dy[r-j], plus dNewPast where the past is still
// part of the new one.
func (t *convBackTask) pastGrad(batch, c0, width int) {
	k1 := t.Taps - 1
	for i := range width {
		c := c0 + i
		row := (batch*t.Channels + c) * k1
		for r := range k1 {
			var s float32
			for j := 0; j <= r; j++ {
				if l := r - j; l < t.Length && t.first(batch, l) < 0 {
					s += t.w[c*t.Taps+j] * t.dy[(batch*t.Length+r-j)*t.Channels+c]
				}
			}
			if q := r - t.Length; q >= 0 && t.dNewPast != nil {
				s += t.dNewPast[row+q]
			}
			t.grads.Past[row+r] = s
		}
	}
}

// addNewPast adds dNewPast to the inputs that were kept.
func (t *convBackTask) addNewPast(batch, c0, width int) {
	k1 := t.Taps - 1
	for i := range width {
		row := (batch*t.Channels + c0 + i) * k1
		for j := range k1 {
			if from := t.Length - k1 + j; from >= 0 {
				t.grads.X[(batch*t.Length+from)*t.Channels+c0+i] += t.dNewPast[row+j]
			}
		}
	}
}

// fold adds the partial sums over sequences, in order.
func (t *convBackTask) fold() {
	if t.Batch == 0 {
		clear(t.grads.W)
		clear(t.grads.Bias)
		return
	}
	size := (t.Taps + 1) * t.Channels
	for b := 1; b < t.Batch; b++ {
		active.add(t.part[:size], t.part[:size], t.part[b*size:(b+1)*size])
	}
	if t.grads.W != nil {
		for c := range t.Channels {
			for j := range t.Taps {
				t.grads.W[c*t.Taps+j] = t.part[j*t.Channels+c]
			}
		}
	}
	if t.grads.Bias != nil {
		copy(t.grads.Bias, t.part[t.Taps*t.Channels:size])
	}
}

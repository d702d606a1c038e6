package kernel

// convSpan is the number of channels one item of a convolution handles.
const convSpan = 256

// ConvShape is the extents of a causal depthwise convolution: B sequences of L
// steps, C channels, K taps.
type ConvShape struct {
	Batch, Length, Channels, Taps int

	// First [B, L] is where the document of each step begins; nil: the whole row is one.
	// Inputs of other documents count as zero.
	First []int64
}

// first is the earliest step whose input step t may see.
func (s *ConvShape) first(batch, t int) int {
	if s.First == nil {
		return -s.Taps // the past included
	}
	if f := int(s.First[batch*s.Length+t]); f > 0 {
		return f
	}
	return -s.Taps
}

func (s ConvShape) check(name string) {
	extents(name, "B, L, C, K", s.Batch, s.Length, s.Channels, s.Taps)
	need(name, "taps", s.Taps, 1)
	if s.First != nil {
		need(name, "First", len(s.First), s.Batch*s.Length)
	}
}

// workspace: weights by tap [K][span], the first 2(K-1) rows of input, and for
// the backward pass the same for dy and accumulators [K+1][span].
func (s ConvShape) workspace() int {
	return min(convSpan, s.Channels) * (2*s.Taps + 1 + 4*(s.Taps-1))
}

// ConvScratch is the scratch of [ConvForward].
func ConvScratch(p *Pool, s ConvShape) int { return p.Threads() * s.workspace() }

// ConvForward is the causal depthwise convolution with carried state:
//
//	y[b,t,c] = bias[c] + Σ_j w[c,j]·x[b, t-(K-1)+j, c]      j in [0, K)
//
// x, y [B, L, C]; w [C, K], tap K-1 multiplies the newest input; bias [C] or
// nil. Inputs before the first step come from past [B, C, K-1], newest last;
// nil is zero. newPast [B, C, K-1] receives the last K-1 inputs; nil if not
// wanted; it may be past.
func ConvForward(p *Pool, s ConvShape, x, w, bias, past, y, newPast, scratch []float32) {
	const name = "ConvForward"
	s.check(name)
	n, state := s.Batch*s.Length*s.Channels, s.Batch*s.Channels*(s.Taps-1)
	need(name, "x", len(x), n)
	need(name, "w", len(w), s.Channels*s.Taps)
	needOrNil(name, "bias", bias, s.Channels)
	needOrNil(name, "past", past, state)
	need(name, "y", len(y), n)
	needOrNil(name, "newPast", newPast, state)
	need(name, "scratch", len(scratch), ConvScratch(p, s))
	t := convTasks.get()
	defer convTasks.put(t)
	t.ConvShape, t.x, t.w, t.bias, t.past, t.y, t.newPast = s, x, w, bias, past, y, newPast
	t.scratch, t.ws, t.spans = scratch, s.workspace(), ceilDiv(s.Channels, convSpan)
	p.RunTask(s.Batch*t.spans, t)
}

var convTasks freeList[convTask]

type convTask struct {
	ConvShape
	x, w, bias, past, y, newPast, scratch []float32
	ws, spans                             int
}

func (t *convTask) Do(item, worker int) {
	ws := t.scratch[worker*t.ws : (worker+1)*t.ws]
	batch, c0 := item/t.spans, item%t.spans*convSpan
	width := min(convSpan, t.Channels-c0)
	if t.Length == 1 && t.Taps > 1 && t.past != nil && t.newPast != nil {
		t.step(batch, c0, width, ws)
		return
	}
	taps, ws := ws[:t.Taps*width], ws[t.Taps*width:]
	loadTaps(taps, t.w, t.Taps, c0, width, false)
	bias, ws := ws[:width], ws[width:]
	clear(bias)
	if t.bias != nil {
		copy(bias, t.bias[c0:c0+width])
	}
	at := batch*t.Length*t.Channels + c0
	head, lead := t.loadHead(ws, t.x[min(at, len(t.x)):], t.past, batch, c0, width)
	active.convRows(lead, t.Taps, width, head, width, taps, bias, t.y[min(at, len(t.y)):], t.Channels)
	if rest := t.Length - lead; rest > 0 {
		active.convRows(rest, t.Taps, width, t.x[at:], t.Channels, taps, bias, t.y[at+lead*t.Channels:], t.Channels)
	}
	t.beginnings(batch, c0, width, taps, bias)
	if t.newPast != nil {
		t.storePast(head, batch, c0, width)
	}
}

// step is a sequence of one step: nothing is gathered, and the inputs move up by one.
func (t *convTask) step(batch, c0, width int, ws []float32) {
	k, at := t.Taps, batch*t.Channels+c0
	bias := ws[:width]
	if t.bias != nil {
		bias = t.bias[c0:]
	} else {
		clear(bias)
	}
	active.convStep(k, t.x[at:], t.w[c0*k:], bias, t.past[at*(k-1):], t.y[at:at+width], t.newPast[at*(k-1):])
}

// beginnings computes anew the steps at the beginning of a document, whose taps reach
// into the one before.
func (t *convTask) beginnings(batch, c0, width int, taps, bias []float32) {
	if t.First == nil {
		return
	}
	for l := range t.Length {
		oldest := l - t.Taps + 1
		first := t.first(batch, l)
		if first <= oldest {
			continue
		}
		at := (batch*t.Length+l)*t.Channels + c0
		dst := t.y[at : at+width]
		copy(dst, bias[:width])
		for s := first; s <= l; s++ {
			from := (batch*t.Length+s)*t.Channels + c0
			active.mulAdd(dst, taps[(s-oldest)*width:(s-oldest+1)*width], t.x[from:from+width])
		}
	}
}

// loadTaps stores w[c0+i, j] at dst[j*width+i], the taps reversed if asked.
func loadTaps(dst, w []float32, taps, c0, width int, reverse bool) {
	for i := range width {
		for j, v := range w[(c0+i)*taps : (c0+i+1)*taps] {
			if reverse {
				j = taps - 1 - j
			}
			dst[j*width+i] = v
		}
	}
}

// loadHead collects the past and the first lead = min(K-1, L) inputs as rows of
// width values, so that every output of them has its K inputs in one place.
func (s *ConvShape) loadHead(dst, x, past []float32, batch, c0, width int) (head []float32, lead int) {
	k1 := s.Taps - 1
	lead = min(k1, s.Length)
	head = dst[:(k1+lead)*width]
	clear(head[:k1*width])
	if past != nil {
		for i := range width {
			for j, v := range past[(batch*s.Channels+c0+i)*k1 : (batch*s.Channels+c0+i+1)*k1] {
				head[j*width+i] = v
			}
		}
	}
	for t := range lead {
		copy(head[(k1+t)*width:(k1+t+1)*width], x[t*s.Channels:])
	}
	return head, lead
}

// storePast writes the last K-1 inputs, which are in x, or for a short
// sequence still in head.
func (t *convTask) storePast(head []float32, batch, c0, width int) {
	k1 := t.Taps - 1
	for i := range width {
		dst := t.newPast[(batch*t.Channels+c0+i)*k1 : (batch*t.Channels+c0+i+1)*k1]
		for j := range dst {
			if from := t.Length - k1 + j; from >= 0 {
				dst[j] = t.x[(batch*t.Length+from)*t.Channels+c0+i]
			} else {
				dst[j] = head[(t.Length+j)*width+i]
			}
		}
	}
}

// convRowsGeneric computes y[t] = bias + Σ_j w[j]·x[t+j] for rows of width values: x
// rows ld apart, w [taps][width], y rows ldy apart.
func convRowsGeneric(rows, taps, width int, x []float32, ld int, w, bias, y []float32, ldy int) {
	for t := range rows {
		dst := y[t*ldy : t*ldy+width]
		copy(dst, bias[:width])
		for j := range taps {
			active.mulAdd(dst, w[j*width:(j+1)*width], x[(t+j)*ld:(t+j)*ld+width])
		}
	}
}

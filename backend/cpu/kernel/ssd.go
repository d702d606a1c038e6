package kernel

import "fmt"

const (
	// ssdHeads is the number of heads one item handles: they share the products C·Bᵀ. Partial
	// sums over heads are formed per item, so it is part of the result's definition.
	ssdHeads = 4
	// ssdDirect is the longest run of steps for which the recurrence itself is faster than
	// products of matrices.
	ssdDirect = 6
)

// SSDInput is the input of the state-space duality of Mamba-2 (arXiv 2405.21060): a
// recurrence whose state decays by one factor a step and head. Head h reads group h/(H/G).
type SSDInput struct {
	Batch, Length, Heads, Dim, Groups, State int // B, L, H, P, G, N
	Chunk                                    int // Q, steps handled as one product

	X     []float32 // [B, L, H, P]
	Decay []float32 // [B, L, H], the logarithm of the factor, ≤ 0
	B, C  []float32 // [B, L, G, N]
	H0    []float32 // [B, H, P, N], state before the first step; nil: zero

	// First [B, L] is where the document of each step begins; nil: the whole row is one.
	// States are zero before the first step of a document other than step 0.
	First []int64
}

// SSDGrads receives gradients, in the shapes of the inputs. A nil slice is not wanted.
type SSDGrads struct {
	X, Decay, B, C, H0 []float32
}

func (s *SSDInput) check(name string) {
	extents(name, "B, L, H, P, G, N, Q", s.Batch, s.Length, s.Heads, s.Dim, s.Groups, s.State, s.Chunk)
	need(name, "the chunk length", s.Chunk, 1)
	if s.Groups < 1 || s.Heads%s.Groups != 0 {
		panic(fmt.Sprintf("kernel: %s: %d heads do not divide into %d groups", name, s.Heads, s.Groups))
	}
	rows := s.Batch * s.Length
	need(name, "X", len(s.X), rows*s.Heads*s.Dim)
	need(name, "Decay", len(s.Decay), rows*s.Heads)
	need(name, "B", len(s.B), rows*s.Groups*s.State)
	need(name, "C", len(s.C), rows*s.Groups*s.State)
	needOrNil(name, "H0", s.H0, s.Batch*s.Heads*s.Dim*s.State)
	if s.First != nil {
		need(name, "First", len(s.First), rows)
	}
}

func (s *SSDInput) chunks() int { return ceilDiv(s.Length, s.Chunk) }

// spans is the number of items per group.
func (s *SSDInput) spans() int { return ceilDiv(s.Heads/s.Groups, ssdHeads) }

func (s *SSDInput) items() int { return s.Batch * s.Groups * s.spans() }

// begins reports whether a document begins at step t, so that the state is dropped.
func (s *SSDInput) begins(batch, t int) bool {
	return s.First != nil && t > 0 && s.First[batch*s.Length+t] == int64(t)
}

// gemmWorkspace is room for any of the products of a chunk, forward and backward.
func (s *SSDInput) gemmWorkspace() int {
	q, p, n := min(s.Chunk, s.Length), s.Dim, s.State
	most := 0
	for _, e := range [][3]int{{q, q, n}, {q, p, q}, {q, p, n}, {p, n, q}, {q, q, p}, {q, n, p}, {q, n, q}} {
		g := gemmBlock{ta: true, tb: true, m: e[0], n: e[1], k: e[2]}
		most = max(most, g.workspace())
	}
	return most
}

// decays are the factors of one head over one chunk of n steps.
type ssdDecays struct {
	g    []float32 // [n, Q]: of step j as seen at step l ≥ j; 0 where the document differs, and above the diagonal
	in   []float32 // [n]: of the state before the chunk as seen at step l
	out  []float32 // [n]: of step j as seen behind the chunk
	last float32   // of the state before the chunk behind it
	seg  []float32 // [n], working memory
}

func (s *SSDInput) decayWorkspace() int { return s.Chunk*s.Chunk + 3*s.Chunk }

func (s *SSDInput) takeDecays(ws []float32) (d ssdDecays, rest []float32) {
	q := s.Chunk
	d.g, ws = ws[:q*q], ws[q*q:]
	d.in, d.out, d.seg = ws[:q], ws[q:2*q], ws[2*q:3*q]
	return d, ws[3*q:]
}

// fill computes the factors of a head over the n steps from t0 on. Sums of logarithms are
// formed from each step on, never as a difference of two, so that small factors do not
// drown in large ones.
func (d *ssdDecays) fill(s *SSDInput, batch, head, t0, n int) {
	q := s.Chunk
	sum := float32(0)
	for l := range n {
		a := s.Decay[(batch*s.Length+t0+l)*s.Heads+head]
		active.shift(d.seg[:l], d.seg[:l], a)
		d.seg[l] = 0
		row := d.g[l*q : l*q+n]
		active.exp(row[:l+1], d.seg[:l+1])
		clear(row[l+1:])
		sum += a
		d.in[l] = sum
		if s.First != nil {
			if first := int(s.First[batch*s.Length+t0+l]) - t0; first > 0 || first == 0 && t0 > 0 {
				clear(row[:first])
			}
		}
	}
	active.exp(d.in[:n], d.in[:n])
	if s.First != nil {
		for l := range n {
			if first := int(s.First[batch*s.Length+t0+l]); first >= t0 && first > 0 {
				d.in[l] = 0
			}
		}
	}
	copy(d.out[:n], d.g[(n-1)*q:])
	d.last = d.in[n-1]
}

// scaleRows sets dst[r] = f[r]·src[r] for rows of width values; dst rows are dense.
func scaleRows(dst, src []float32, ld, width int, f []float32) {
	for r, x := range f {
		active.scale(dst[r*width:(r+1)*width], x, src[r*ld:r*ld+width])
	}
}

// SSDCheckpoints is the length of the checkpoints that [SSDForward] leaves for
// [SSDBackward]: the states before every chunk, [B, ⌈L/Q⌉, H, P, N].
func SSDCheckpoints(s SSDInput) int { return s.Batch * s.chunks() * s.Heads * s.Dim * s.State }

func (s *SSDInput) forwardWorkspace() int {
	return ssdHeads*s.Dim*s.State + s.Chunk*s.Chunk + s.decayWorkspace() + s.Chunk*s.State + s.gemmWorkspace()
}

// SSDScratch is the scratch of [SSDForward].
func SSDScratch(p *Pool, s SSDInput) int { return p.Threads() * s.forwardWorkspace() }

// SSDForward computes, for t = 0 … L-1 and every head,
//
//	h[t] = exp(Decay[t])·h[t-1] + X[t] ⊗ B[t]        [P, N]
//	y[t] = h[t]·C[t]                                 [P]
//
// a chunk of Q steps at once: with G[l, j] the factor by which step j has decayed at step
// l, and H the state before the chunk,
//
//	y = (C·Bᵀ ∘ G)·X + diag(G·)·C·Hᵀ,   H ← last·H + Xᵀ·diag(G)·B
//
// y [B, L, H, P]; hT [B, H, P, N] receives the last state, nil if not wanted, and may be H0;
// checkpoints is nil when no backward pass follows.
func SSDForward(p *Pool, s SSDInput, y, hT, checkpoints, scratch []float32) {
	const name = "SSDForward"
	s.check(name)
	need(name, "y", len(y), s.Batch*s.Length*s.Heads*s.Dim)
	needOrNil(name, "hT", hT, s.Batch*s.Heads*s.Dim*s.State)
	needOrNil(name, "checkpoints", checkpoints, SSDCheckpoints(s))
	need(name, "scratch", len(scratch), SSDScratch(p, s))
	t := ssdForwardTasks.get()
	defer ssdForwardTasks.put(t)
	t.SSDInput, t.y, t.hT, t.checkpoints, t.scratch, t.ws = s, y, hT, checkpoints, scratch, s.forwardWorkspace()
	p.RunTask(s.items(), t)
}

var ssdForwardTasks freeList[ssdForwardTask]

type ssdForwardTask struct {
	SSDInput
	y, hT, checkpoints, scratch []float32
	ws                          int
}

// ssdPlace is the part of the input one item handles.
type ssdPlace struct {
	batch, group, head, heads int // first head and number of heads
}

func (s *SSDInput) place(item int) ssdPlace {
	spans, per := s.spans(), s.Heads/s.Groups
	first := item % spans * ssdHeads
	group := item / spans % s.Groups
	return ssdPlace{item / spans / s.Groups, group, group*per + first, min(ssdHeads, per-first)}
}

func (t *ssdForwardTask) Do(item, worker int) {
	q := t.place(item)
	ws := t.scratch[worker*t.ws : (worker+1)*t.ws]
	size := t.Dim * t.State
	h, ws := ws[:q.heads*size], ws[ssdHeads*size:]
	states := (q.batch*t.Heads + q.head) * size
	if t.hT != nil {
		h = t.hT[states : states+len(h)] // the state is updated where it ends
	}
	startState(h, from(t.H0, states))
	for k := range t.chunks() {
		if t.checkpoints != nil {
			copy(t.checkpoints[((q.batch*t.chunks()+k)*t.Heads+q.head)*size:], h)
		}
		t0 := k * t.Chunk
		if n := min(t.Chunk, t.Length-t0); n <= ssdDirect {
			t.steps(q, t0, n, h)
		} else {
			t.chunk(q, t0, n, h, ws)
		}
	}
}

// steps is the recurrence itself.
func (t *ssdForwardTask) steps(q ssdPlace, t0, n int, h []float32) {
	size := t.Dim * t.State
	for l := t0; l < t0+n; l++ {
		if t.begins(q.batch, l) {
			clear(h)
		}
		row := q.batch*t.Length + l
		b := t.B[(row*t.Groups+q.group)*t.State:][:t.State]
		c := t.C[(row*t.Groups+q.group)*t.State:][:t.State]
		for i := range q.heads {
			at := row*t.Heads + q.head + i
			active.ssdStep(exp32(t.Decay[at]), t.X[at*t.Dim:(at+1)*t.Dim], b, c, h[i*size:(i+1)*size], t.y[at*t.Dim:(at+1)*t.Dim])
		}
	}
}

// chunk is n steps as products of matrices.
func (t *ssdForwardTask) chunk(q ssdPlace, t0, n int, h, ws []float32) {
	row, size, ld, ldg := q.batch*t.Length+t0, t.Dim*t.State, t.Heads*t.Dim, t.Groups*t.State
	cb, ws := ws[:t.Chunk*t.Chunk], ws[t.Chunk*t.Chunk:]
	d, ws := t.takeDecays(ws)
	scaled, ws := ws[:t.Chunk*t.State], ws[t.Chunk*t.State:]
	b, c := t.B[(row*t.Groups+q.group)*t.State:], t.C[(row*t.Groups+q.group)*t.State:]
	t.scores(cb, b, c, n, ws)
	for i := range q.heads {
		d.fill(&t.SSDInput, q.batch, q.head+i, t0, n)
		for l := range n {
			m := d.g[l*t.Chunk:]
			active.mul(m[:l+1], m[:l+1], cb[l*t.Chunk:l*t.Chunk+l+1])
		}
		at := (row*t.Heads + q.head + i) * t.Dim
		x, y, state := t.X[at:], t.y[at:], h[i*size:(i+1)*size]
		lower(n, t.Dim, d.g, t.Chunk, x, ld, y, ld, ws)
		scaleRows(scaled, c, ldg, t.State, d.in[:n])
		whole(gemmBlock{tb: true, m: n, n: t.Dim, k: t.State, a: scaled, lda: t.State, b: state, ldb: t.State, c: y, ldc: ld, acc: true}, ws)
		active.scale(state, d.last, state)
		scaleRows(scaled, b, ldg, t.State, d.out[:n])
		whole(gemmBlock{ta: true, m: t.Dim, n: t.State, k: n, a: x, lda: ld, b: scaled, ldb: t.State, c: state, ldc: t.State, acc: true}, ws)
	}
}

// scores is C·Bᵀ of n steps of one group, [n, Q]; what is above the diagonal may be left
// out.
func (s *SSDInput) scores(cb, b, c []float32, n int, ws []float32) {
	g := gemmBlock{tb: true, m: n, n: n, k: s.State, a: c, lda: s.Groups * s.State, b: b, ldb: s.Groups * s.State, c: cb, ldc: s.Chunk}
	triangle(g, ws)
}

// whole runs a product on this thread.
func whole(g gemmBlock, ws []float32) { g.tile(0, g.m, 0, g.n, ws) }

// ssdHalf is where a triangular product is cut in two: a multiple of the micro-kernel's
// columns.
func ssdHalf(n int) int { return min(n, roundUp(ceilDiv(n, 2), active.gemm.nr)) }

// triangle computes the lower triangle of a square product, and some of the upper one.
func triangle(g gemmBlock, ws []float32) {
	half := ssdHalf(g.m)
	g.tile(0, half, 0, half, ws)
	if half < g.m {
		g.tile(half, g.m, 0, g.n, ws)
	}
}

// lower is y = M·x for a lower triangular M [n, n].
func lower(n, width int, m []float32, ldm int, x []float32, ldx int, y []float32, ldy int, ws []float32) {
	half := ssdHalf(n)
	whole(gemmBlock{m: half, n: width, k: half, a: m, lda: ldm, b: x, ldb: ldx, c: y, ldc: ldy}, ws)
	if half < n {
		whole(gemmBlock{m: n - half, n: width, k: n, a: m[half*ldm:], lda: ldm, b: x, ldb: ldx, c: y[half*ldy:], ldc: ldy}, ws)
	}
}

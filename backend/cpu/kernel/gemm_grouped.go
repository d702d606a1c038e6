package kernel

// GroupedGemmScratch is the scratch of [GroupedGemm] for the same extents.
func GroupedGemmScratch(p *Pool, rows, n, k int) int {
	g := gemmBlock{m: rows, n: n, k: k}
	size := p.Threads() * g.workspace()
	if rows <= fewRows {
		size = max(size, GemmScratch(p, false, 1, n, k))
	}
	return size
}

// fewRows are so few that each is multiplied on its own, as in decoding: the matrices are
// then read in long runs, which is what their products wait for.
const fewRows = 4

// GroupedGemm multiplies consecutive groups of rows with one matrix each:
//
//	y[r,:] = x[r,:]·W[e]      offsets[e] ≤ r < offsets[e+1]
//	y[r,:] = 0                rows outside all groups
//
// x [rows,k], offsets [groups+1], y [rows,n]; w is [groups,k,n], or
// [groups,n,k] when transW. Groups may be empty.
func GroupedGemm(p *Pool, groups, rows, n, k int, x []float32, offsets []int64, w []float32, transW bool, y, scratch []float32) {
	GroupedProduct(p, groups, rows, n, k, x, offsets, Matrix{Data: w, Trans: transW}, y, Epilogue{}, scratch)
}

// GroupedProduct is [GroupedGemm] with an epilogue, whose bias is [groups, n]; rows outside
// all groups pass it without one. The matrices w follow one another, packed or not; their
// stride is not looked at.
func GroupedProduct(p *Pool, groups, rows, n, k int, x []float32, offsets []int64, w Matrix, y []float32, e Epilogue, scratch []float32) {
	const name = "GroupedProduct"
	checkGrouped(name, groups, rows, n, k, offsets, len(x), "y", len(y), "w", len(w.Data))
	if w.Packed {
		need(name, "w", len(w.Data), groups*PanelsSize(n, k))
	}
	e.check(name, groups, rows, n)
	if rows == 0 || n == 0 {
		return
	}
	t := groupedTasks.get()
	defer groupedTasks.put(t)
	t.x, t.w, t.y, t.offsets, t.scratch = x, w.Data, y, offsets[:groups+1], scratch
	t.n, t.k, t.transW, t.packed, t.epi = n, k, w.Trans && !w.Packed, w.Packed, e
	if rows <= fewRows && !w.Packed {
		t.rowByRow(p, rows)
		return
	}
	g := gemmBlock{m: rows, n: n, k: k}
	t.ws = g.workspace()
	t.run(p, name, rows)
}

// outside computes the rows that belong to no group: products of nothing.
func (t *groupedTask) outside(rows int) {
	first, last := int(t.offsets[0]), int(t.offsets[len(t.offsets)-1])
	for _, span := range [][2]int{{0, first}, {last, rows}} {
		g := gemmBlock{m: span[1] - span[0], n: t.n, c: t.y[span[0]*t.n:], ldc: t.n, epi: t.epi.of(-1, span[0], t.n)}
		g.tile(0, g.m, 0, t.n, t.scratch)
	}
}

// run hands out the tiles of all groups.
func (t *groupedTask) run(p *Pool, kernel string, rows int) {
	need(kernel, "scratch", len(t.scratch), p.Threads()*t.ws)
	t.outside(rows)
	// Rows per group vary, so tiles are sized for the mean.
	groups := len(t.offsets) - 1
	mean := max(1, int(t.offsets[groups]-t.offsets[0])/max(1, groups))
	_, t.nb = tileSize(p.Threads(), false, mean, t.n, t.k)
	t.mb, t.cols = active.gemm.tileRows(), ceilDiv(t.n, t.nb)
	items := 0
	for e := range groups {
		items += t.tiles(e)
	}
	p.RunTask(items, t)
}

// rowByRow is for few rows.
func (t *groupedTask) rowByRow(p *Pool, rows int) {
	t.outside(rows)
	n, k, stride := t.n, t.k, t.n
	if t.transW {
		stride = k
	}
	for e := range len(t.offsets) - 1 {
		for r := int(t.offsets[e]); r < int(t.offsets[e+1]); r++ {
			Product(p, 1, n, k, Matrix{Data: t.x[r*k:], Stride: k}, Matrix{Data: t.w[e*k*n:], Stride: stride, Trans: t.transW}, t.y[r*n:], t.epi.of(e, r, n), t.scratch)
		}
	}
}

var groupedTasks freeList[groupedTask]

type groupedTask struct {
	x, w, y      []float32
	half         bool
	xh, wh       []uint16 // in place of x and w: bfloat16
	offsets      []int64
	n, k         int
	transW       bool
	packed       bool
	epi          Epilogue
	mb, nb, cols int
	ws           int
	scratch      []float32
}

// tiles is the number of items of group e.
func (t *groupedTask) tiles(e int) int {
	return ceilDiv(int(t.offsets[e+1]-t.offsets[e]), t.mb) * t.cols
}

func (t *groupedTask) Do(item, worker int) {
	e := 0
	for n := t.tiles(e); item >= n; n = t.tiles(e) {
		item -= n
		e++
	}
	r0, m := int(t.offsets[e]), int(t.offsets[e+1]-t.offsets[e])
	at := e * t.k * t.n
	if t.packed {
		at = e * PanelsSize(t.n, t.k)
	}
	g := gemmBlock{
		tb: t.transW, packed: t.packed, m: m, n: t.n, k: t.k, lda: t.k, ldb: t.n, c: t.y[r0*t.n:], ldc: t.n, half: t.half,
		a: from(t.x, r0*t.k), ah: from(t.xh, r0*t.k), b: from(t.w, at), bh: from(t.wh, at), epi: t.epi.of(e, r0, t.n),
	}
	if t.transW {
		g.ldb = t.k
	}
	i, j := item/t.cols*t.mb, item%t.cols*t.nb
	g.tile(i, min(i+t.mb, m), j, min(j+t.nb, t.n), t.scratch[worker*t.ws:(worker+1)*t.ws])
}

// GroupedOuterScratch is the scratch of [GroupedOuter] for the same extents.
func GroupedOuterScratch(p *Pool, rows, n, k int) int {
	g := gemmBlock{ta: true, m: k, n: n, k: rows}
	return p.Threads() * g.workspace()
}

// GroupedOuter is the weight gradient of [GroupedGemm]:
//
//	dw[e] (+)= x[rows of e]ᵀ·dy[rows of e]
//
// x [rows,k], dy [rows,n], dw [groups,k,n]. An empty group gives zero (or
// leaves dw[e] when accumulating). For weights stored [groups,n,k] exchange
// x with dy and k with n.
func GroupedOuter(p *Pool, groups, rows, n, k int, x, dy []float32, offsets []int64, dw []float32, accumulate bool, scratch []float32) {
	const name = "GroupedOuter"
	checkGrouped(name, groups, rows, n, k, offsets, len(x), "dy", len(dy), "dw", len(dw))
	if groups == 0 || n == 0 || k == 0 {
		return
	}
	t := outerTasks.get()
	defer outerTasks.put(t)
	t.x, t.dy, t.dw, t.offsets, t.scratch = x, dy, dw, offsets[:groups+1], scratch
	t.n, t.k, t.acc = n, k, accumulate
	g := gemmBlock{ta: true, m: k, n: n, k: rows}
	t.ws = g.workspace()
	t.run(p, name, rows)
}

// run hands out the tiles of all groups.
func (t *outerTask) run(p *Pool, kernel string, rows int) {
	need(kernel, "scratch", len(t.scratch), p.Threads()*t.ws)
	groups, n, k := len(t.offsets)-1, t.n, t.k
	t.nb, t.mb = min(active.gemm.nc, roundUp(n, active.gemm.nr)), k
	if p.Threads() > 1 && groups < 4*p.Threads() {
		t.mb, t.nb = tileSize(ceilDiv(4*p.Threads(), groups), true, k, n, rows)
	}
	t.cols = ceilDiv(n, t.nb)
	t.tiles = ceilDiv(k, t.mb) * t.cols
	p.RunTask(groups*t.tiles, t)
}

var outerTasks freeList[outerTask]

type outerTask struct {
	x, dy, dw           []float32
	half                bool
	xh, dyh             []uint16 // in place of x and dy: bfloat16
	offsets             []int64
	n, k                int
	acc                 bool
	mb, nb, cols, tiles int
	ws                  int
	scratch             []float32
}

func (t *outerTask) Do(item, worker int) {
	e, tile := item/t.tiles, item%t.tiles
	r0, rows := int(t.offsets[e]), int(t.offsets[e+1]-t.offsets[e])
	g := gemmBlock{
		ta: true, m: t.k, n: t.n, k: rows, lda: t.k, ldb: t.n, c: t.dw[e*t.k*t.n:], ldc: t.n, acc: t.acc, half: t.half,
		a: from(t.x, r0*t.k), ah: from(t.xh, r0*t.k), b: from(t.dy, r0*t.n), bh: from(t.dyh, r0*t.n),
	}
	i, j := tile/t.cols*t.mb, tile%t.cols*t.nb
	g.tile(i, min(i+t.mb, t.k), j, min(j+t.nb, t.n), t.scratch[worker*t.ws:(worker+1)*t.ws])
}

// from is s[at:], and nil for nil.
func from[T any](s []T, at int) []T {
	if s == nil {
		return nil
	}
	return s[at:]
}

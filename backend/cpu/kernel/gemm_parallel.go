package kernel

import "fmt"

// Matrix says where a matrix lies: rows Stride values apart, and whether it is
// stored transposed. One that is Packed lies in panels, see [PackPanels]; it can only be
// the second operand of a product.
type Matrix struct {
	Data   []float32
	Stride int
	Trans  bool
	Packed bool
}

// GemmScratch is the scratch of [Gemm] for the same extents.
func GemmScratch(p *Pool, transA bool, m, n, k int) int {
	g := gemmBlock{ta: transA, m: m, n: n, k: k}
	return p.Threads() * g.workspace()
}

// Gemm is the matrix product
//
//	c[m,n] = op(a)·op(b)          accumulate false
//	c[m,n] = op(a)·op(b) + c      accumulate true
//
// with op(a) [m,k] and op(b) [k,n]. A matrix with Trans is stored transposed,
// as [k,m] or [n,k]. c must not be transposed and must not overlap a or b.
// Any extent may be zero; k = 0 gives zero (or c).
func Gemm(p *Pool, m, n, k int, a, b, c Matrix, accumulate bool, scratch []float32) {
	gemm(p, m, n, k, a, b, c, accumulate, Epilogue{}, scratch)
}

// Product is [Gemm] of a dense result with an epilogue.
func Product(p *Pool, m, n, k int, a, b Matrix, c []float32, e Epilogue, scratch []float32) {
	e.check("Product", 1, m, n)
	gemm(p, m, n, k, a, b, Matrix{Data: c, Stride: n}, false, e, scratch)
}

func gemm(p *Pool, m, n, k int, a, b, c Matrix, accumulate bool, e Epilogue, scratch []float32) {
	t := gemmTasks.get()
	defer gemmTasks.put(t)
	t.gemmBlock = gemmBlock{
		ta: a.Trans, tb: b.Trans && !b.Packed, packed: b.Packed, m: m, n: n, k: k, epi: e,
		a: a.Data, lda: a.Stride, b: b.Data, ldb: b.Stride, c: c.Data, ldc: c.Stride, acc: accumulate,
	}
	t.check("Gemm")
	if c.Trans || a.Packed || c.Packed {
		panic("kernel: Gemm: c is transposed, or a or c is packed")
	}
	if m == 0 || n == 0 {
		return
	}
	t.ws, t.scratch = t.workspace(), scratch
	need("Gemm", "scratch", len(scratch), p.Threads()*t.ws)
	if m == 1 && k > 0 && !t.packed {
		t.vector(p)
		t.finish(0, 1, 0, n, scratch)
		return
	}
	t.run(p)
}

// run hands out the tiles.
func (t *gemmTask) run(p *Pool) {
	t.mb, t.nb = tileSize(p.Threads(), t.ta, t.m, t.n, t.k)
	t.cols = ceilDiv(t.n, t.nb)
	p.RunTask(ceilDiv(t.m, t.mb)*t.cols, t)
}

var gemmTasks freeList[gemmTask]

// gemmTask is a product cut into mb × nb tiles of C.
type gemmTask struct {
	gemmBlock
	mb, nb, cols int
	ws           int
	scratch      []float32
}

func (t *gemmTask) Do(item, worker int) {
	i, j := item/t.cols*t.mb, item%t.cols*t.nb
	t.tile(i, min(i+t.mb, t.m), j, min(j+t.nb, t.n), t.scratch[worker*t.ws:(worker+1)*t.ws])
}

// tileRows is the largest number of rows of a tile, and what the packing of its part of B
// is spread over.
func (s *gemmShape) tileRows() int { return 16 * s.mc }

// tileSize picks tiles that are large enough to repay packing and give every
// thread a few of them: fewer when A is packed for each, too. It may look at the
// number of threads since no result depends on the tiles.
func tileSize(threads int, ta bool, m, n, k int) (mb, nb int) {
	s := &active.gemm
	mb, nb = min(roundUp(m, s.mr), s.tileRows()), min(roundUp(n, s.nr), s.nc)
	if threads == 1 || m*n*k < 1<<15 {
		return m, nb
	}
	tiles := 3 * threads
	if ta {
		tiles = 2 * threads
	}
	for ceilDiv(m, mb)*ceilDiv(n, nb) < tiles {
		switch {
		case ta && mb >= 2*nb && mb > s.mc:
			mb = ceilDiv(m, 2*ceilDiv(m, mb))
		case nb > 4*s.nr:
			nb = roundUp(nb/2, s.nr)
		case mb > s.mc/2:
			mb = roundUp(mb/2, s.mr)
		case nb > s.nr:
			nb = roundUp(nb/2, s.nr)
		default:
			return mb, nb
		}
	}
	return mb, nb
}

// vectorCols is the largest number of columns that the product of one row with a matrix
// adds up at a time: as much of y as stays in L1.
const vectorCols = 4096

// vectorBlocks cuts a [k, n] matrix that meets one row into blocks of rows, which lie
// behind one another in memory, so that each thread reads long runs. Sums over blocks are
// added in order: the cut is part of the result's definition and depends on extents only.
func vectorBlocks(n, k int) (blocks, rows int) {
	const values, most = 1 << 15, 16 // enough to share out, and few partial sums
	blocks = min(max(n*k/values, 1), most, ceilDiv(k, 8))
	if n > vectorCols { // columns give enough to share out
		blocks = 1
	}
	rows = roundUp(ceilDiv(k, max(blocks, 1)), 8)
	return ceilDiv(k, max(rows, 1)), rows
}

// vector is the product of one row with a matrix. It reads b once, in place.
func (t *gemmTask) vector(p *Pool) {
	v := vectorTasks.get()
	defer vectorTasks.put(v)
	x := t.a[:t.k]
	if t.ta && t.lda != 1 {
		x = t.scratch[:t.k]
		for i := range x {
			x[i] = t.a[i*t.lda]
		}
	}
	v.x, v.y, v.b, v.ldb, v.tb, v.acc = x, t.c[:t.n], t.b, t.ldb, t.tb, t.acc
	if t.tb {
		v.cols = 32
		p.RunTask(ceilDiv(t.n, v.cols), v)
		return
	}
	var blocks int
	blocks, v.rows = vectorBlocks(t.n, t.k)
	v.cols = min(vectorCols, t.n)
	v.spans = ceilDiv(t.n, v.cols)
	if blocks > 1 {
		v.part = t.scratch[t.k : t.k+blocks*t.n]
	}
	v.b = v.b[:span(t.k, t.n, t.ldb)]
	v.blocks = blocks
	v.reset(p, blocks*v.spans)
	p.RunTask(blocks*v.spans, v)
	for i := range blocks {
		if v.part == nil {
			break
		}
		part := v.part[i*t.n : (i+1)*t.n]
		if i == 0 && !t.acc {
			copy(v.y, part)
			continue
		}
		active.add(v.y, v.y, part)
	}
}

var vectorTasks freeList[vectorTask]

// vectorTask is shared out by columns of a transposed matrix, else by blocks of rows, for one
// span of columns after the other.
type vectorTask struct {
	ranges
	x, y, b, part             []float32 // part [blocks, n]: partial sums, nil for one block
	ldb                       int
	cols, rows, blocks, spans int
	tb, acc                   bool
}

func (t *vectorTask) Do(item, worker int) {
	if t.tb {
		t.dots(item)
		return
	}
	item, follows := t.take(worker)
	block, j0 := item%t.blocks, item/t.blocks*t.cols
	j1 := min(j0+t.cols, len(t.y))
	p0 := block * t.rows
	p1 := min(p0+t.rows, len(t.x))
	y := t.y[j0:j1]
	if t.part != nil {
		y = t.part[block*len(t.y)+j0 : block*len(t.y)+j1]
	}
	if t.part != nil || !t.acc {
		clear(y)
	}
	active.gemvN(y, t.x[p0:p1], t.b[p0*t.ldb+j0:], t.ldb, follows && block > 0)
}

// dots computes columns of a transposed matrix, whose rows are the columns.
func (t *vectorTask) dots(item int) {
	j0 := item * t.cols
	for j := j0; j < min(j0+t.cols, len(t.y)); j++ {
		s := active.dot(t.x, t.b[j*t.ldb:j*t.ldb+len(t.x)])
		if t.acc {
			s += t.y[j]
		}
		t.y[j] = s
	}
}

// checkGrouped panics unless a grouped product's operands are as long as its extents ask
// for: x [rows, k], the rows [rows, n] and the matrices [groups, k, n] of the given names.
func checkGrouped(kernel string, groups, rows, n, k int, offsets []int64, x int, rowsName string, rowsLen int, matrices string, matricesLen int) {
	extents(kernel, "groups, rows, n, k", groups, rows, n, k)
	need(kernel, "x", x, rows*k)
	need(kernel, rowsName, rowsLen, rows*n)
	need(kernel, matrices, matricesLen, groups*k*n)
	checkOffsets(kernel, offsets, groups, rows)
}

// checkOffsets panics unless offsets is an ascending list of positions in [0, rows].
func checkOffsets(kernel string, offsets []int64, groups, rows int) {
	need(kernel, "offsets", len(offsets), groups+1)
	last := int64(0)
	for e, o := range offsets[:groups+1] {
		if o < last || o > int64(rows) {
			panic(fmt.Sprintf("kernel: %s: offsets[%d] is %d, must be in [%d, %d]", kernel, e, o, last, rows))
		}
		last = o
	}
}

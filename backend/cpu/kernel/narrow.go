package kernel

import (
	"math/bits"

	"github.com/moezoo/moezoo/half"
)

// Narrow is a matrix, or one matrix for each of several groups, whose elements take less
// memory than float32. Exactly one of the first three is given:
//
//	BFloat16, Float16   the upper half of a float32; IEEE binary16
//	Int8, Scale         the element times the scale of its column: Scale holds one value
//	                    for each column of op(b), n for each group
//
// Stride and Trans are those of [Matrix]. Groups lie behind one another, each dense.
type Narrow struct {
	BFloat16, Float16 []uint16
	Int8              []int8
	Scale             []float32
	Stride            int
	Trans             bool
}

// len is the number of elements.
func (b Narrow) len() int { return len(b.BFloat16) + len(b.Float16) + len(b.Int8) }

// group is matrix e of those that have n columns each and lie size elements apart.
func (b Narrow) group(e, size, n int) Narrow {
	b = b.from(e * size)
	if b.Scale != nil {
		b.Scale = b.Scale[e*n : (e+1)*n]
	}
	return b
}

// from is b from an element on; scales stay.
func (b Narrow) from(at int) Narrow {
	switch {
	case b.BFloat16 != nil:
		b.BFloat16 = b.BFloat16[at:]
	case b.Float16 != nil:
		b.Float16 = b.Float16[at:]
	case b.Int8 != nil:
		b.Int8 = b.Int8[at:]
	}
	return b
}

// until is b up to an element; scales stay.
func (b Narrow) until(end int) Narrow {
	switch {
	case b.BFloat16 != nil:
		b.BFloat16 = b.BFloat16[:end]
	case b.Float16 != nil:
		b.Float16 = b.Float16[:end]
	case b.Int8 != nil:
		b.Int8 = b.Int8[:end]
	}
	return b
}

// widen writes consecutive elements as float32, without their scale.
func (b Narrow) widen(dst []float32, at int) {
	switch {
	case b.BFloat16 != nil:
		active.widen(dst, b.BFloat16[at:at+len(dst)])
	case b.Int8 != nil:
		active.widenInt8(dst, b.Int8[at:at+len(dst)])
	default:
		for i, h := range b.Float16[at : at+len(dst)] {
			dst[i] = half.FromFloat16(h)
		}
	}
}

// Widen writes the elements of b, which is dense and has no scale, as float32.
func Widen(p *Pool, dst []float32, b Narrow) {
	need("Widen", "b", b.len(), len(dst))
	const run = 1 << 14
	p.Run(ceilDiv(len(dst), run), func(i int) {
		b.widen(dst[i*run:min((i+1)*run, len(dst))], i*run)
	})
}

// narrowCols is the width of the columns of b that are widened at once: together with
// gemmKC rows they stay in L2 while all rows of a meet them.
const narrowCols = 128

// narrowBlock is a product c = a·op(b) whose b is narrow.
type narrowBlock struct {
	m, n, k int
	a       []float32
	lda     int
	b       Narrow
	c       []float32
	ldc     int
}

// narrowWorkspace is what one thread needs for a product of several rows.
func narrowWorkspace(m, k int) int {
	g := gemmBlock{m: m, n: narrowCols, k: min(k, gemmKC)}
	return min(k, gemmKC)*narrowCols + g.workspace()
}

// NarrowGemmScratch is the scratch of [NarrowGemm] for the same extents.
func NarrowGemmScratch(p *Pool, m, n, k int) int {
	if m == 1 {
		blocks, _ := vectorBlocks(n, k)
		return blocks * n
	}
	return p.Threads() * narrowWorkspace(m, k)
}

// NarrowGemm is the matrix product c[m,n] = a·op(b) in float32, of a [m,k] and a narrow
// op(b) [k,n]. One row reads b once, in place, as decoding does; several rows widen a few
// columns of b at a time.
func NarrowGemm(p *Pool, m, n, k int, a Matrix, b Narrow, c Matrix, scratch []float32) {
	const name = "NarrowGemm"
	extents(name, "m, n, k, lda, ldb, ldc", m, n, k, a.Stride, b.Stride, c.Stride)
	need(name, "a", len(a.Data), span(m, k, a.Stride))
	if b.Trans {
		need(name, "b", b.len(), span(n, k, b.Stride))
	} else {
		need(name, "b", b.len(), span(k, n, b.Stride))
	}
	if b.Int8 != nil {
		need(name, "the scales", len(b.Scale), n)
	}
	need(name, "c", len(c.Data), span(m, n, c.Stride))
	need(name, "scratch", len(scratch), NarrowGemmScratch(p, m, n, k))
	if m == 0 || n == 0 {
		return
	}
	t := narrowTasks.get()
	defer narrowTasks.put(t)
	t.narrowBlock = narrowBlock{m: m, n: n, k: k, a: a.Data, lda: a.Stride, b: b, c: c.Data, ldc: c.Stride}
	t.scratch = scratch
	if m == 1 {
		t.vector(p)
		return
	}
	t.ws = narrowWorkspace(m, k)
	p.RunTask(ceilDiv(n, narrowCols), t)
}

var narrowTasks freeList[narrowTask]

// narrowTask shares a product out: by columns, or when there is one row as vectorTask does.
type narrowTask struct {
	narrowBlock
	ranges
	scratch            []float32
	ws                 int
	part               []float32 // [blocks, n]: partial sums of one row
	cols, rows, blocks int       // of one row: what an item covers of b, and items below each other
}

func (t *narrowTask) Do(item, worker int) {
	if t.m > 1 {
		j := item * narrowCols
		t.columns(j, min(j+narrowCols, t.n), t.scratch[worker*t.ws:(worker+1)*t.ws])
		return
	}
	if t.b.Trans {
		t.dots(item)
		return
	}
	t.share(t.take(worker))
}

// columns computes columns [j0, j1) of all rows.
func (g *narrowBlock) columns(j0, j1 int, ws []float32) {
	if g.k == 0 {
		for i := range g.m {
			clear(g.c[i*g.ldc+j0 : i*g.ldc+j1])
		}
		return
	}
	w, wide := j1-j0, ws[:min(g.k, gemmKC)*narrowCols]
	for p0 := 0; p0 < g.k; p0 += gemmKC {
		kc := min(gemmKC, g.k-p0)
		t := gemmBlock{tb: g.b.Trans, m: g.m, n: w, k: kc, a: g.a[p0:], lda: g.lda, b: wide, ldb: w, c: g.c[j0:], ldc: g.ldc, acc: p0 > 0}
		if g.b.Trans {
			t.ldb = kc
			for j := range w {
				row := wide[j*kc : (j+1)*kc]
				g.b.widen(row, (j0+j)*g.b.Stride+p0)
				if g.b.Scale != nil {
					active.scale(row, g.b.Scale[j0+j], row)
				}
			}
		} else {
			for p := range kc {
				row := wide[p*w : (p+1)*w]
				g.b.widen(row, (p0+p)*g.b.Stride+j0)
				if g.b.Scale != nil {
					active.mul(row, row, g.b.Scale[j0:j1])
				}
			}
		}
		t.tile(0, g.m, 0, w, ws[len(wide):])
	}
}

// columnBytes is how much a block of rows has of each column at least: partial sums, of four
// bytes, pass from one core to the other and weigh beside narrow elements.
const columnBytes = 192

// vectorBlocks is the cut for one row: that for float32, but into fewer blocks, and a number of
// them that threads share evenly.
func (b Narrow) vectorBlocks(n, k int) (blocks, rows int) {
	size := 2
	if b.Int8 != nil {
		size = 1
	}
	most, _ := vectorBlocks(n, k)
	most = max(1, min(most, k*size/columnBytes))
	blocks = 1 << (bits.Len(uint(most)) - 1)
	rows = roundUp(ceilDiv(k, blocks), 16)
	return ceilDiv(k, rows), rows
}

// vector is the product of one row.
func (t *narrowTask) vector(p *Pool) {
	if t.k == 0 {
		clear(t.c[:t.n])
		return
	}
	if t.b.Trans {
		t.cols = 32
		p.RunTask(ceilDiv(t.n, t.cols), t)
		return
	}
	t.blocks, t.rows = t.b.vectorBlocks(t.n, t.k)
	t.cols = min(vectorCols, t.n)
	t.part = t.scratch[:t.blocks*t.n]
	t.b = t.b.until(span(t.k, t.n, t.b.Stride))
	items := t.blocks * ceilDiv(t.n, t.cols)
	t.reset(p, items)
	p.RunTask(items, t)
	y := t.c[:t.n]
	copy(y, t.part)
	for i := 1; i < t.blocks; i++ {
		active.add(y, y, t.part[i*t.n:(i+1)*t.n])
	}
	if t.b.Scale != nil {
		active.mul(y, y, t.b.Scale[:t.n])
	}
}

// share adds up one block of rows for one span of columns.
func (t *narrowTask) share(item int, follows bool) {
	block, j0 := item%t.blocks, item/t.blocks*t.cols
	j1 := min(j0+t.cols, t.n)
	p0 := block * t.rows
	x := t.a[p0:min(p0+t.rows, t.k)]
	y := t.part[block*t.n+j0 : block*t.n+j1]
	clear(y)
	at := p0*t.b.Stride + j0
	switch {
	case t.b.BFloat16 != nil:
		active.gemvBF16(y, x, t.b.BFloat16[at:], t.b.Stride, follows && block > 0)
	case t.b.Int8 != nil:
		gemv := active.gemvInt8
		if active.gemvDigits != nil {
			gemv = active.gemvDigits
		}
		gemv(y, x, t.b.Int8[at:], t.b.Stride, follows && block > 0)
	default:
		for p, v := range x {
			for j, h := range t.b.Float16[at+p*t.b.Stride:][:len(y)] {
				y[j] += v * half.FromFloat16(h)
			}
		}
	}
}

// dots computes a span of columns of a transposed matrix, whose rows are the columns.
func (t *narrowTask) dots(item int) {
	x := t.a[:t.k]
	for j := item * t.cols; j < min((item+1)*t.cols, t.n); j++ {
		at := j * t.b.Stride
		var s float32
		switch {
		case t.b.BFloat16 != nil:
			s = active.dotBF16(x, t.b.BFloat16[at:at+t.k])
		case t.b.Int8 != nil:
			s = active.dotInt8(x, t.b.Int8[at:at+t.k]) * t.b.Scale[j]
		default:
			for p, h := range t.b.Float16[at : at+t.k] {
				s += x[p] * half.FromFloat16(h)
			}
		}
		t.c[j] = s
	}
}

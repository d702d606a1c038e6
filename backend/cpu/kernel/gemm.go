package kernel

// gemmKC is the number of terms summed in registers: a panel of B of that many rows stays in
// L1. It is part of the result's definition: sums are formed over runs of gemmKC terms, which
// are then added in order.
const gemmKC = 256

// gemmBlock is a matrix product, and the unit the tile loop works on.
type gemmBlock struct {
	ta, tb  bool
	m, n, k int
	a       []float32
	lda     int
	b       []float32
	ldb     int
	c       []float32
	ldc     int
	acc     bool
	epi     Epilogue

	packed bool // b is in panels, see PackPanels
	half   bool
	ah, bh []uint16 // in place of a and b: bfloat16
}

// workspace is the number of float32 values one thread needs for the product.
func (g *gemmBlock) workspace() int {
	s := &active.gemm
	kc, nc := min(g.k, gemmKC), s.rowOf(g.n)
	size := s.mr*s.nr + nc + kc*nc
	if g.ta || s.mr > rowsApart {
		size += (kc + rowPad) * min(g.m, s.mc)
	}
	if g.m == 1 { // a gathered vector, and partial sums
		blocks, _ := vectorBlocks(g.n, g.k)
		size = max(size, g.k+blocks*g.n)
	}
	return size
}

// L1 keeps rowsApart lines of addresses that lie a multiple of 1024 values apart; rows of A
// are moved apart by rowPad values where that is fewer than the micro-kernel reads.
const (
	rowsApart = 8
	rowPad    = 16
)

// packsA tells whether A is copied before it is used.
func (g *gemmBlock) packsA() bool {
	s := &active.gemm
	return g.ta && !s.inPlace || g.lda%1024 == 0 && (g.ta || s.mr > rowsApart)
}

// directRows is the largest number of rows for which B is read in place at any level: packing
// pays once a panel is used more often than that.
func (s *gemmShape) directRows() int { return 2 * s.mr }

// readsB tells whether a matrix whose rows lie ld apart is read in place by a product of m rows.
func (s *gemmShape) readsB(m, ld int) bool { return m <= s.directRows() || s.inPlace && ld%1024 != 0 }

// rowOf is how many of n columns are packed at once, and finished at once.
func (s *gemmShape) rowOf(n int) int { return min(roundUp(n, s.nr), s.nc) }

// tile computes rows [i0, i1) and columns [j0, j1) on the calling thread; j0 is
// a multiple of nr. ws has workspace() values.
func (g *gemmBlock) tile(i0, i1, j0, j1 int, ws []float32) {
	switch {
	case g.k == 0:
		g.zero(i0, i1, j0, j1)
		g.finish(i0, i1, j0, j1, ws)
	case g.half:
		g.halfTile(i0, i1, j0, j1, ws)
	default:
		g.fullTile(i0, i1, j0, j1, ws)
	}
}

// fullTile is tile for float32.
func (g *gemmBlock) fullTile(i0, i1, j0, j1 int, ws []float32) {
	s := &active.gemm
	tmp, ws := ws[:s.mr*s.nr], ws[s.mr*s.nr:]
	row, ws := ws[:s.rowOf(g.n)], ws[s.rowOf(g.n):]
	kc0 := min(g.k, gemmKC)
	var pa []float32
	if g.packsA() {
		size := (kc0 + rowPad) * min(g.m, s.mc)
		pa, ws = ws[:size], ws[size:]
	}
	direct := !g.tb && s.readsB(i1-i0, g.ldb)
	for p0 := 0; p0 < g.k; p0 += gemmKC {
		kc := min(gemmKC, g.k-p0)
		for jc := j0; jc < j1; jc += s.nc {
			je := min(jc+s.nc, j1)
			for ic := i0; ic < i1; ic += s.mc {
				ie := min(ic+s.mc, i1)
				if pa != nil {
					g.packA(p0, kc, ic, ie, pa)
				}
				g.panels(p0, kc, ic, ie, jc, je, pa, ws, tmp, direct, ic == i0)
				if p0+kc == g.k && !g.epi.quick() {
					g.finish(ic, ie, jc, je, row)
				}
			}
		}
	}
}

// zero clears the tile of C unless the product accumulates.
func (g *gemmBlock) zero(i0, i1, j0, j1 int) {
	if g.acc {
		return
	}
	for i := i0; i < i1; i++ {
		clear(g.c[i*g.ldc+j0 : i*g.ldc+j1])
	}
}

// packB copies columns [j0, j1) of kc rows of op(B) into panels of nr
// columns, the last one filled up with zeros.
func (g *gemmBlock) packB(p0, kc, j0, j1 int, dst []float32) {
	nr, j := active.gemm.nr, j0
	if !g.tb {
		whole := (j1 - j0) / nr
		active.packPanels(kc, whole, nr, g.b[p0*g.ldb+j0:], g.ldb, dst)
		j += whole * nr
	}
	for ; j < j1; j += nr {
		d := dst[(j-j0)*kc : (j-j0+nr)*kc]
		w := min(nr, j1-j)
		if g.tb {
			packPanelT(kc, w, g.b[j*g.ldb+p0:], g.ldb, d)
		} else {
			packPanel(kc, w, g.b[p0*g.ldb+j:], g.ldb, d)
		}
	}
}

// packPanel copies kc rows of w columns into a panel.
func packPanel(kc, w int, src []float32, ld int, dst []float32) {
	nr := active.gemm.nr
	if w == nr {
		active.pack(kc, nr, src, ld, dst)
		return
	}
	for p := range kc {
		row := dst[p*nr : (p+1)*nr]
		clear(row[copy(row, src[p*ld:p*ld+w]):])
	}
}

// packPanelT is packPanel for a transposed source: w rows of kc values.
func packPanelT(kc, w int, src []float32, ld int, dst []float32) {
	nr := active.gemm.nr
	if w == nr {
		active.packT(kc, src, ld, dst)
		return
	}
	clear(dst)
	for j := range w {
		for p, v := range src[j*ld : j*ld+kc] {
			dst[p*nr+j] = v
		}
	}
}

// packA copies rows [i0, i1) of op(A): of Aᵀ into panels as high as panelRows says, of A into
// rows that lie apart.
func (g *gemmBlock) packA(p0, kc, i0, i1 int, dst []float32) {
	if !g.ta {
		for i := range i1 - i0 {
			copy(dst[i*(kc+rowPad):], g.a[(i0+i)*g.lda+p0:][:kc])
		}
		return
	}
	whole := wholePanels(i1 - i0)
	active.packPanels(kc, whole, active.gemm.mr, g.a[p0*g.lda+i0:], g.lda, dst)
	for i := i0 + whole*active.gemm.mr; i < i1; {
		h := panelRows(i1 - i)
		active.pack(kc, h, g.a[p0*g.lda+i:], g.lda, dst[(i-i0)*kc:(i-i0+h)*kc])
		i += h
	}
}

// panelRows is the height of the next panel: mr, mr, …, with the last two
// balanced (of 6, 8 rows are 4+4, since a panel of 2 leaves the multipliers idle).
func panelRows(left int) int {
	mr := active.gemm.mr
	switch {
	case left >= 2*mr || left == mr:
		return mr
	case left > mr:
		return (left + 1) / 2
	default:
		return left
	}
}

// wholePanels is how many panels of mr rows come first.
func wholePanels(rows int) int {
	mr := active.gemm.mr
	if rows%mr == 0 {
		return rows / mr
	}
	return max(0, rows/mr-1)
}

// panels runs the micro-kernel over one block of A and one of B.
func (g *gemmBlock) panels(p0, kc, i0, i1, j0, j1 int, pa, pb, tmp []float32, direct, first bool) {
	acc, last := g.acc || p0 > 0, p0+kc == g.k
	quick := last && g.epi.quick()
	micro, nr := active.micro, active.gemm.nr
	for j := j0; j < j1; j += nr {
		w := min(nr, j1-j)
		b, bs := pb, nr
		switch {
		case g.packed:
			b = g.b[j*g.k+p0*nr:]
		case !direct:
			if b = pb[(j-j0)*kc:]; first {
				g.packB(p0, kc, j, min(j+nr, j1), b)
			}
		case w == nr:
			b, bs = g.b[p0*g.ldb+j:], g.ldb
		default:
			packPanel(kc, w, g.b[p0*g.ldb+j:], g.ldb, pb)
		}
		next := g.following(p0, kc, j, j0, j1)
		for i, q := i0, 0; i < i1; q++ {
			h := panelRows(i1 - i)
			var ask asked
			if first && next != nil && (q+1)*nr <= kc {
				ask.next, ask.ld, ask.rows = next[q*nr:], g.ldb, nr
			}
			var a []float32
			var ars, acs int
			switch {
			case g.ta && pa == nil:
				a, ars, acs = g.a[p0*g.lda+i:], 1, g.lda
			case g.ta:
				a, ars, acs = pa[(i-i0)*kc:], 1, h
			case pa != nil:
				a, ars, acs = pa[(i-i0)*(kc+rowPad):], kc+rowPad, 1
			default:
				a, ars, acs = g.a[min(i*g.lda+p0, len(g.a)):], g.lda, 1
			}
			if w == nr {
				if last {
					ask.with = g.epi.with(i*g.n + j)
				}
				micro(h, nr, kc, a, ars, acs, b, bs, g.c[i*g.ldc+j:], g.ldc, acc, ask)
				if quick {
					g.finishPanel(i, h, j)
				}
			} else {
				micro(h, w, kc, a, ars, acs, b, bs, tmp, nr, false, asked{})
				g.storeEdge(tmp, i, h, j, w, acc)
				if quick {
					g.finish(i, i+h, j, j+w, tmp)
				}
			}
			i += h
		}
	}
}

// following is where the panel of a transposed B begins that will be packed behind that of
// column j: the next one of the block, or the first of the next block.
func (g *gemmBlock) following(p0, kc, j, j0, j1 int) []float32 {
	nr := active.gemm.nr
	if j += nr; j >= j1 {
		j, p0 = j0, p0+kc
	}
	if !g.tb || p0+kc > g.k || j+nr > j1 {
		return nil
	}
	return g.b[j*g.ldb+p0:]
}

// storeEdge moves the w valid columns of a finished block into C.
func (g *gemmBlock) storeEdge(tmp []float32, i, h, j, w int, acc bool) {
	nr := active.gemm.nr
	for r := range h {
		src := tmp[r*nr : r*nr+w]
		dst := g.c[(i+r)*g.ldc+j : (i+r)*g.ldc+j+w]
		if !acc {
			copy(dst, src)
			continue
		}
		for q, v := range src {
			dst[q] = v + dst[q]
		}
	}
}

// check panics unless the slices hold the extents.
func (g *gemmBlock) check(kernel string) {
	extents(kernel, "m, n, k, lda, ldb, ldc", g.m, g.n, g.k, g.lda, g.ldb, g.ldc)
	lenA, lenB := len(g.a), len(g.b)
	if g.half {
		lenA, lenB = len(g.ah), len(g.bh)
	}
	if g.ta {
		need(kernel, "a", lenA, span(g.k, g.m, g.lda))
	} else {
		need(kernel, "a", lenA, span(g.m, g.k, g.lda))
	}
	switch {
	case g.packed:
		need(kernel, "b", lenB, PanelsSize(g.n, g.k))
	case g.tb:
		need(kernel, "b", lenB, span(g.n, g.k, g.ldb))
	default:
		need(kernel, "b", lenB, span(g.k, g.n, g.ldb))
	}
	need(kernel, "c", len(g.c), span(g.m, g.n, g.ldc))
	if g.m > 1 {
		need(kernel, "a row of c", g.ldc, g.n) // overlapping rows would be written twice
	}
}

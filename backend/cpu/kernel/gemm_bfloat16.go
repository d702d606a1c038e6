package kernel

// MatrixBF16 is [Matrix] of bfloat16 values.
type MatrixBF16 struct {
	Data   []uint16
	Stride int
	Trans  bool
}

// GemmBF16Scratch is the scratch of [GemmBF16] for the same extents.
func GemmBF16Scratch(p *Pool, m, n, k int) int {
	g := gemmBlock{ta: true, tb: true, m: m, n: n, k: k}
	return p.Threads() * g.halfWorkspace()
}

// GemmBF16 is [Gemm] of bfloat16 matrices with float32 sums:
//
//	c[m,n] = op(a)·op(b) (+ c)
//
// Products of two bfloat16 values are exact in float32, so that the result differs from
// that of exact arithmetic on a and b by no more than float32 sums do: at most about
// k·2^-24·Σ|a·b|. Processors that multiply pairs of bfloat16 take denormal operands for zero,
// and take twice as many terms an instruction; others, and products with an odd k that are
// not of the form aᵀ·b, widen blocks of a and b and multiply float32.
func GemmBF16(p *Pool, m, n, k int, a, b MatrixBF16, c Matrix, accumulate bool, scratch []float32) {
	gemmBF16(p, m, n, k, a, b, c, accumulate, Epilogue{}, scratch)
}

// ProductBF16 is [GemmBF16] of a dense result with an epilogue.
func ProductBF16(p *Pool, m, n, k int, a, b MatrixBF16, c []float32, e Epilogue, scratch []float32) {
	e.check("ProductBF16", 1, m, n)
	gemmBF16(p, m, n, k, a, b, Matrix{Data: c, Stride: n}, false, e, scratch)
}

func gemmBF16(p *Pool, m, n, k int, a, b MatrixBF16, c Matrix, accumulate bool, e Epilogue, scratch []float32) {
	t := gemmTasks.get()
	defer gemmTasks.put(t)
	t.gemmBlock = gemmBlock{
		half: true, ta: a.Trans, tb: b.Trans, m: m, n: n, k: k, epi: e,
		ah: a.Data, lda: a.Stride, bh: b.Data, ldb: b.Stride, c: c.Data, ldc: c.Stride, acc: accumulate,
	}
	t.check("GemmBF16")
	if c.Trans {
		panic("kernel: GemmBF16: c is transposed; swap a and b instead")
	}
	if m == 0 || n == 0 {
		return
	}
	t.ws, t.scratch = t.halfWorkspace(), scratch
	need("GemmBF16", "scratch", len(scratch), p.Threads()*t.ws)
	t.run(p)
}

// GroupedGemmBF16Scratch is the scratch of [GroupedGemmBF16] for the same extents.
func GroupedGemmBF16Scratch(p *Pool, rows, n, k int) int { return GemmBF16Scratch(p, rows, n, k) }

// GroupedGemmBF16 is [GroupedGemm] of bfloat16 rows and matrices with float32 sums; see
// [GemmBF16].
func GroupedGemmBF16(p *Pool, groups, rows, n, k int, x []uint16, offsets []int64, w []uint16, transW bool, y, scratch []float32) {
	GroupedProductBF16(p, groups, rows, n, k, x, offsets, w, transW, y, Epilogue{}, scratch)
}

// GroupedProductBF16 is [GroupedGemmBF16] with an epilogue; see [GroupedProduct].
func GroupedProductBF16(p *Pool, groups, rows, n, k int, x []uint16, offsets []int64, w []uint16, transW bool, y []float32, e Epilogue, scratch []float32) {
	const name = "GroupedProductBF16"
	e.check(name, groups, rows, n)
	checkGrouped(name, groups, rows, n, k, offsets, len(x), "y", len(y), "w", len(w))
	if rows == 0 || n == 0 {
		return
	}
	t := groupedTasks.get()
	defer groupedTasks.put(t)
	t.half, t.xh, t.wh, t.y, t.offsets, t.scratch = true, x, w, y, offsets[:groups+1], scratch
	t.n, t.k, t.transW, t.epi = n, k, transW, e
	g := gemmBlock{m: rows, n: n, k: k}
	t.ws = g.halfWorkspace()
	t.run(p, name, rows)
}

// GroupedOuterBF16Scratch is the scratch of [GroupedOuterBF16] for the same extents.
func GroupedOuterBF16Scratch(p *Pool, rows, n, k int) int { return GemmBF16Scratch(p, k, n, rows) }

// GroupedOuterBF16 is [GroupedOuter] of bfloat16 rows with float32 sums; see [GemmBF16].
func GroupedOuterBF16(p *Pool, groups, rows, n, k int, x, dy []uint16, offsets []int64, dw []float32, accumulate bool, scratch []float32) {
	const name = "GroupedOuterBF16"
	checkGrouped(name, groups, rows, n, k, offsets, len(x), "dy", len(dy), "dw", len(dw))
	if groups == 0 || n == 0 || k == 0 {
		return
	}
	t := outerTasks.get()
	defer outerTasks.put(t)
	t.half, t.xh, t.dyh, t.dw, t.offsets, t.scratch = true, x, dy, dw, offsets[:groups+1], scratch
	t.n, t.k, t.acc = n, k, accumulate
	g := gemmBlock{m: k, n: n, k: rows}
	t.ws = g.halfWorkspace()
	t.run(p, name, rows)
}

// halfWorkspace is workspace for bfloat16, whichever way it is multiplied.
func (g *gemmBlock) halfWorkspace() int {
	s := &active.gemm
	kc, nc, mc := min(g.k, gemmKC), min(roundUp(g.n, s.nr), s.nc), min(roundUp(g.m, s.mr), s.mc)
	wide := gemmBlock{ta: true, tb: true, m: mc, n: nc, k: kc}
	pairs := min(ceilDiv(g.k, 2), gemmKC)
	return max(kc*nc+mc*kc+wide.workspace(), s.mr*s.nr+nc+pairs*nc+mc*(pairs+rowPad))
}

// halfTile is tile for bfloat16.
func (g *gemmBlock) halfTile(i0, i1, j0, j1 int, ws []float32) {
	if active.dots == nil || g.k%2 != 0 && (!g.ta || g.tb) {
		g.wideTile(i0, i1, j0, j1, ws)
		return
	}
	s := &active.gemm
	tmp, ws := ws[:s.mr*s.nr], ws[s.mr*s.nr:]
	row, ws := ws[:s.rowOf(g.n)], ws[s.rowOf(g.n):]
	panels := min(ceilDiv(g.k, 2), gemmKC) * min(roundUp(g.n, s.nr), s.nc)
	pb, ws := ws[:panels], ws[panels:]
	for p0 := 0; p0 < g.k; p0 += 2 * gemmKC {
		kc := min(2*gemmKC, g.k-p0)
		for jc := j0; jc < j1; jc += s.nc {
			je := min(jc+s.nc, j1)
			g.packPairsB(p0, kc, jc, je, pairs(pb))
			for ic := i0; ic < i1; ic += s.mc {
				ie := min(ic+s.mc, i1)
				pa := g.packPairsA(p0, kc, ic, ie, pairs(ws))
				g.dotPanels(p0, kc, ic, ie, jc, je, pa, pairs(pb), tmp)
				if p0+kc == g.k {
					g.finish(ic, ie, jc, je, row)
				}
			}
		}
	}
}

// packPairsB copies columns [j0, j1) of kc rows of op(B) into panels of pairs. What lies
// behind the last column is not set: it meets columns that nobody stores.
func (g *gemmBlock) packPairsB(p0, kc, j0, j1 int, dst []uint16) {
	nr, half := active.gemm.nr, ceilDiv(kc, 2)
	for j := j0; j < j1; j += nr {
		d, w := dst[2*(j-j0)*half:], min(nr, j1-j)
		switch {
		case !g.tb:
			for q := 0; q < w; q += 16 {
				active.dots.packPairs(kc, min(16, w-q), g.bh[p0*g.ldb+j+q:], g.ldb, d[2*q:], 2*nr)
			}
		case w == nr:
			active.dots.packT(half, g.bh[j*g.ldb+p0:], g.ldb, d)
		default:
			for q := range w {
				row := g.bh[(j+q)*g.ldb+p0:]
				for p := range half {
					d[2*(p*nr+q)], d[2*(p*nr+q)+1] = row[2*p], row[2*p+1]
				}
			}
		}
	}
}

// packPairsA packs rows [i0, i1) of op(A) where it must: Aᵀ into panels as high as panelRows
// says, rows of A where they would drive each other out of L1. Otherwise it is nil.
func (g *gemmBlock) packPairsA(p0, kc, i0, i1 int, dst []uint16) []uint16 {
	switch {
	case g.ta:
		half := ceilDiv(kc, 2)
		for i := i0; i < i1; {
			h := panelRows(i1 - i)
			active.dots.packPairs(kc, h, g.ah[p0*g.lda+i:], g.lda, dst[2*(i-i0)*half:], 2*h)
			i += h
		}
	case g.lda%2048 == 0:
		for i := range i1 - i0 {
			copy(dst[i*(kc+2*rowPad):], g.ah[(i0+i)*g.lda+p0:][:kc])
		}
	default:
		return nil
	}
	return dst
}

// dotPanels is panels for pairs.
func (g *gemmBlock) dotPanels(p0, kc, i0, i1, j0, j1 int, pa, pb []uint16, tmp []float32) {
	acc, nr, half, last := g.acc || p0 > 0, active.gemm.nr, ceilDiv(kc, 2), p0+kc == g.k
	for j := j0; j < j1; j += nr {
		w := min(nr, j1-j)
		b := pb[2*(j-j0)*half:]
		for i := i0; i < i1; {
			h := panelRows(i1 - i)
			var a []uint16
			var ars, acs int
			switch {
			case g.ta:
				a, ars, acs = pa[2*(i-i0)*half:], 2, 2*h
			case pa != nil:
				a, ars, acs = pa[(i-i0)*(kc+2*rowPad):], kc+2*rowPad, 2
			default:
				a, ars, acs = g.ah[i*g.lda+p0:], g.lda, 2
			}
			if w == nr {
				var ask asked
				if last {
					ask.with = g.epi.with(i*g.n + j)
				}
				active.dots.micro(h, nr, half, a, ars, acs, b, 2*nr, g.c[i*g.ldc+j:], g.ldc, acc, ask)
			} else {
				active.dots.micro(h, w, half, a, ars, acs, b, 2*nr, tmp, nr, false, asked{})
				g.storeEdge(tmp, i, h, j, w, acc)
			}
			i += h
		}
	}
}

// wideTile widens blocks of A and B to float32 and multiplies those.
func (g *gemmBlock) wideTile(i0, i1, j0, j1 int, ws []float32) {
	s := &active.gemm
	kc0 := min(g.k, gemmKC)
	nc, mc := min(roundUp(g.n, s.nr), s.nc), min(roundUp(g.m, s.mr), s.mc)
	b, a, ws := ws[:kc0*nc], ws[kc0*nc:kc0*(nc+mc)], ws[kc0*(nc+mc):]
	for p0 := 0; p0 < g.k; p0 += gemmKC {
		kc := min(gemmKC, g.k-p0)
		for jc := j0; jc < j1; jc += s.nc {
			je := min(jc+s.nc, j1)
			ldb := widenBlock(b, g.bh, g.ldb, p0, kc, jc, je-jc, g.tb)
			for ic := i0; ic < i1; ic += s.mc {
				ie := min(ic+s.mc, i1)
				lda := widenBlock(a, g.ah, g.lda, p0, kc, ic, ie-ic, !g.ta)
				part := gemmBlock{
					ta: g.ta, tb: g.tb, m: ie - ic, n: je - jc, k: kc, a: a, lda: lda, b: b, ldb: ldb,
					c: g.c[ic*g.ldc+jc:], ldc: g.ldc, acc: g.acc || p0 > 0,
				}
				part.fullTile(0, part.m, 0, part.n, ws)
				if p0+kc == g.k {
					g.finish(ic, ie, jc, je, ws)
				}
			}
		}
	}
}

// widenBlock widens kc terms of width rows or columns into dense rows and returns their
// stride: rows of terms when termsLast, else rows of width.
func widenBlock(dst []float32, src []uint16, ld, p0, kc, j0, width int, termsLast bool) int {
	rows, cols, at := kc, width, p0*ld+j0
	if termsLast {
		rows, cols, at = width, kc, j0*ld+p0
	}
	for r := range rows {
		active.widen(dst[r*cols:(r+1)*cols], src[at+r*ld:at+r*ld+cols])
	}
	return cols
}

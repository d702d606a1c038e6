package kernel

// NarrowGroupedScratch is the scratch of [NarrowGrouped] for the same extents.
func NarrowGroupedScratch(p *Pool, rows, n, k int) int {
	return max(p.Threads()*narrowWorkspace(rows, k), NarrowGemmScratch(p, 1, n, k))
}

// NarrowGrouped is [GroupedGemm] with narrow matrices, [groups,k,n] or [groups,n,k] when
// w.Trans. Only matrices of groups that have rows are read.
func NarrowGrouped(p *Pool, groups, rows, n, k int, x []float32, offsets []int64, w Narrow, y, scratch []float32) {
	const name = "NarrowGrouped"
	extents(name, "groups, rows, n, k", groups, rows, n, k)
	need(name, "x", len(x), rows*k)
	need(name, "w", w.len(), groups*k*n)
	if w.Int8 != nil {
		need(name, "the scales", len(w.Scale), groups*n)
	}
	need(name, "y", len(y), rows*n)
	checkOffsets(name, offsets, groups, rows)
	need(name, "scratch", len(scratch), NarrowGroupedScratch(p, rows, n, k))
	if rows == 0 || n == 0 {
		return
	}
	clear(y[:int(offsets[0])*n])
	clear(y[int(offsets[groups])*n : rows*n])
	w.Stride = n
	if w.Trans {
		w.Stride = k
	}
	if rows <= fewRows {
		for e := range groups {
			for r := int(offsets[e]); r < int(offsets[e+1]); r++ {
				NarrowGemm(p, 1, n, k, Matrix{Data: x[r*k:], Stride: k}, w.group(e, k*n, n), Matrix{Data: y[r*n:], Stride: n}, scratch)
			}
		}
		return
	}
	t := narrowGroupedTasks.get()
	defer narrowGroupedTasks.put(t)
	*t = narrowGroupedTask{x: x, y: y, offsets: offsets[:groups+1], w: w, n: n, k: k, cols: ceilDiv(n, narrowCols), ws: narrowWorkspace(rows, k), scratch: scratch}
	p.RunTask(groups*t.cols, t)
}

var narrowGroupedTasks freeList[narrowGroupedTask]

type narrowGroupedTask struct {
	x, y, scratch  []float32
	offsets        []int64
	w              Narrow
	n, k, cols, ws int
}

// Do computes a few columns of all rows of one group.
func (t *narrowGroupedTask) Do(item, worker int) {
	e, j := item/t.cols, item%t.cols*narrowCols
	r0, r1 := int(t.offsets[e]), int(t.offsets[e+1])
	if r0 == r1 {
		return
	}
	g := narrowBlock{m: r1 - r0, n: t.n, k: t.k, a: t.x[r0*t.k:], lda: t.k, b: t.w.group(e, t.k*t.n, t.n), c: t.y[r0*t.n:], ldc: t.n}
	g.columns(j, min(j+narrowCols, t.n), t.scratch[worker*t.ws:(worker+1)*t.ws])
}

package kernel

// PanelWidth is the number of columns of a panel.
func PanelWidth() int { return active.gemm.nr }

// PanelsSize is the number of values of a [k, n] matrix in panels.
func PanelsSize(n, k int) int { return roundUp(n, active.gemm.nr) * k }

// GainsByPanels tells whether a product of m rows with a matrix of n columns is faster when
// the matrix is in panels already. One row is added up in another order than rows of panels
// are, and two to four are in [GroupedProduct].
func GainsByPanels(m, n, k int, trans bool) bool {
	if m <= fewRows || m > manyRows || n < active.gemm.nr || k < active.gemm.nr {
		return false
	}
	return trans || m > active.gemm.directRows()
}

// manyRows are so many that packing takes less than a fiftieth of a product.
const manyRows = 256

// PackPanels packs groups matrices op(w) [k, n] for products that need not do so any more:
// panels of [PanelWidth] columns, each with all its k rows one after the other, the last one
// filled up with zeros. w is [groups, k, n], or [groups, n, k] when it is transposed; dst is
// [groups, panels, k, width].
func PackPanels(p *Pool, groups, n, k int, w []float32, trans bool, dst []float32) {
	const name = "PackPanels"
	extents(name, "groups, n, k", groups, n, k)
	need(name, "w", len(w), groups*n*k)
	need(name, "dst", len(dst), groups*PanelsSize(n, k))
	if groups*n*k == 0 {
		return
	}
	t := panelTasks.get()
	defer panelTasks.put(t)
	t.w, t.dst, t.n, t.k, t.trans = w, dst, n, k, trans
	t.items = ceilDiv(n, panelsAtOnce*active.gemm.nr)
	p.RunTask(groups*t.items, t)
}

// panelsAtOnce is how many panels are packed together.
const panelsAtOnce = 4

var panelTasks freeList[panelTask]

type panelTask struct {
	w, dst []float32
	n, k   int
	trans  bool
	items  int // of a matrix
}

func (t *panelTask) Do(item, _ int) {
	group, j0 := item/t.items, item%t.items*panelsAtOnce*active.gemm.nr
	g := gemmBlock{tb: t.trans, b: t.w[group*t.n*t.k:], ldb: t.n}
	if t.trans {
		g.ldb = t.k
	}
	g.packB(0, t.k, j0, min(j0+panelsAtOnce*active.gemm.nr, t.n), t.dst[group*PanelsSize(t.n, t.k)+j0*t.k:])
}

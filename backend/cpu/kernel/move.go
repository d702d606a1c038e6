package kernel

import "fmt"

// maxRank is the largest rank Permute handles.
const maxRank = 8

// checkIndex panics unless every index is in [0, limit).
func checkIndex(name string, index []int64, limit int) {
	for i, v := range index {
		if v < 0 || v >= int64(limit) {
			panic(fmt.Sprintf("kernel: %s: index[%d] is %d, must be in [0, %d)", name, i, v, limit))
		}
	}
}

// GatherRows copies rows: dst[r,:] = src[index[r],:]. src [N, D], index [R],
// dst [R, D].
func GatherRows(p *Pool, n, d int, src []float32, index []int64, dst []float32) {
	const name = "GatherRows"
	extents(name, "N, D", n, d)
	need(name, "src", len(src), n*d)
	need(name, "dst", len(dst), len(index)*d)
	checkIndex(name, index, n)
	t := gatherTasks.get()
	defer gatherTasks.put(t)
	t.d, t.src, t.dst, t.index = d, src, dst, index
	t.block = max(1, elementBlock/max(1, d))
	p.RunTask(ceilDiv(len(index), t.block), t)
}

var gatherTasks freeList[gatherTask]

type gatherTask struct {
	d, block int
	src, dst []float32
	index    []int64
}

func (t *gatherTask) Do(item, _ int) {
	for r := item * t.block; r < min((item+1)*t.block, len(t.index)); r++ {
		copy(t.dst[r*t.d:(r+1)*t.d], t.src[int(t.index[r])*t.d:])
	}
}

// scatterColumns is the number of columns one item of ScatterAddRows handles.
const scatterColumns = 64

// ScatterAddRows adds rows where they belong, in the order of r:
// dst[index[r],:] += src[r,:]. src [R, D], index [R], dst [N, D].
func ScatterAddRows(p *Pool, n, d int, src []float32, index []int64, dst []float32) {
	const name = "ScatterAddRows"
	extents(name, "N, D", n, d)
	need(name, "src", len(src), len(index)*d)
	need(name, "dst", len(dst), n*d)
	checkIndex(name, index, n)
	t := scatterTasks.get()
	defer scatterTasks.put(t)
	t.d, t.src, t.dst, t.index = d, src, dst, index
	p.RunTask(ceilDiv(d, scatterColumns), t)
}

var scatterTasks freeList[scatterTask]

// scatterTask splits columns, so that every sum has one owner and one order.
type scatterTask struct {
	d        int
	src, dst []float32
	index    []int64
}

func (t *scatterTask) Do(item, _ int) {
	j0 := item * scatterColumns
	j1 := min(j0+scatterColumns, t.d)
	for r, v := range t.index {
		to := t.dst[int(v)*t.d+j0 : int(v)*t.d+j1]
		active.add(to, to, t.src[r*t.d+j0:r*t.d+j1])
	}
}

// transposeTile is the side of the square one item of Transpose moves.
const transposeTile = 64

// Transpose exchanges the last two axes: dst[b,j,i] = src[b,i,j]. src [B, R, C],
// dst [B, C, R].
func Transpose(p *Pool, batch, rows, cols int, src, dst []float32) {
	extents("Transpose", "B, R, C", batch, rows, cols)
	need("Transpose", "src", len(src), batch*rows*cols)
	need("Transpose", "dst", len(dst), batch*rows*cols)
	t := transposeTasks.get()
	defer transposeTasks.put(t)
	t.rows, t.cols, t.src, t.dst = rows, cols, src, dst
	t.down, t.across = ceilDiv(rows, transposeTile), ceilDiv(cols, transposeTile)
	p.RunTask(batch*t.down*t.across, t)
}

var transposeTasks freeList[transposeTask]

type transposeTask struct {
	rows, cols, down, across int
	src, dst                 []float32
}

func (t *transposeTask) Do(item, _ int) {
	at := item / (t.down * t.across) * t.rows * t.cols
	src, dst := t.src[at:at+t.rows*t.cols], t.dst[at:at+t.rows*t.cols]
	i0 := item / t.across % t.down * transposeTile
	j0 := item % t.across * transposeTile
	i1, j1 := min(i0+transposeTile, t.rows), min(j0+transposeTile, t.cols)
	for i := i0; i < i1; i += 8 {
		ie := min(i+8, i1)
		for j := j0; j < j1; j++ {
			col := dst[j*t.rows+i : j*t.rows+ie]
			for k := range col {
				col[k] = src[(i+k)*t.cols+j]
			}
		}
	}
}

// Permute reorders axes: axis a of dst is axis perm[a] of src. shape is that of
// src, at most 8 axes.
func Permute(p *Pool, shape, perm []int, src, dst []float32) {
	t := permuteTasks.get()
	defer permuteTasks.put(t)
	n := t.plan(shape, perm)
	need("Permute", "src", len(src), n)
	need("Permute", "dst", len(dst), n)
	if n == 0 {
		return
	}
	t.src, t.dst = src, dst
	t.lines = n / (t.inner * t.size[t.rank-1])
	t.block = max(1, elementBlock*t.lines/n)
	p.RunTask(ceilDiv(t.lines, t.block), t)
}

var permuteTasks freeList[permuteTask]

// permuteTask walks dst in order. inner is the run of trailing axes that stay
// in place; size and stride describe the other axes of dst, stride in src.
type permuteTask struct {
	rank, inner  int
	lines, block int // lines of dst, and how many an item moves
	size, stride [maxRank]int
	src, dst     []float32
}

// plan fills sizes and strides and returns the number of values.
func (t *permuteTask) plan(shape, perm []int) int {
	if len(shape) > maxRank || len(perm) != len(shape) {
		panic(fmt.Sprintf("kernel: Permute: %d axes and a permutation of %d, must be equal and at most %d", len(shape), len(perm), maxRank))
	}
	var strides [maxRank]int
	n := 1
	for a := len(shape) - 1; a >= 0; a-- {
		extents("Permute", "shape", shape[a])
		strides[a] = n
		n *= shape[a]
	}
	t.rank = len(perm)
	t.inner = 1
	for t.rank > 0 && perm[t.rank-1] == t.rank-1 {
		t.rank--
		t.inner *= shape[t.rank]
	}
	var seen [maxRank]bool
	for a := range t.rank {
		from := perm[a]
		if from < 0 || from >= t.rank || seen[from] {
			panic(fmt.Sprintf("kernel: Permute: perm[%d] = %d is out of range or repeated", a, from))
		}
		seen[from] = true
		t.size[a], t.stride[a] = shape[from], strides[from]
	}
	if t.rank == 0 { // nothing moves: one axis of one run
		t.rank, t.size[0], t.stride[0] = 1, 1, 0
	}
	return n
}

func (t *permuteTask) Do(item, _ int) {
	for l := item * t.block; l < min((item+1)*t.block, t.lines); l++ {
		t.line(l)
	}
}

// line moves one line of dst: all values that differ in the last moving axis only.
func (t *permuteTask) line(item int) {
	last := t.rank - 1
	from, rest := 0, item
	for a := last - 1; a >= 0; a-- {
		from += rest % t.size[a] * t.stride[a]
		rest /= t.size[a]
	}
	dst := t.dst[item*t.size[last]*t.inner : (item+1)*t.size[last]*t.inner]
	for k := range t.size[last] {
		at := from + k*t.stride[last]
		if t.inner == 1 {
			dst[k] = t.src[at]
		} else {
			copy(dst[k*t.inner:(k+1)*t.inner], t.src[at:at+t.inner])
		}
	}
}

package kernel

// reduceRows is the number of rows summed before partial sums are added.
const reduceRows = 128

// SumLast sums over the last axis: dst[r] = Σ_j x[r,j]. x [R, D], dst [R].
func SumLast(p *Pool, rows, d int, x, dst []float32) {
	extents("SumLast", "R, D", rows, d)
	need("SumLast", "x", len(x), rows*d)
	need("SumLast", "dst", len(dst), rows)
	t := rowTasks.get()
	defer rowTasks.put(t)
	t.rows, t.d, t.x, t.loss = rows, d, x, dst
	t.step = func(t *rowTask, r int) { t.loss[r] = active.sum(t.row(t.x, r)) }
	t.run(p)
}

// SumLeadingScratch is the scratch of [SumLeading].
func SumLeadingScratch(rows, d int) int { return ceilDiv(rows, reduceRows) * d }

// SumLeading sums over the leading axis, as for the gradient of a bias:
// dst[j] = Σ_r x[r,j], or dst[j] += Σ_r x[r,j] when accumulating. x [R, D], dst [D].
func SumLeading(p *Pool, rows, d int, x, dst []float32, accumulate bool, scratch []float32) {
	const name = "SumLeading"
	extents(name, "R, D", rows, d)
	need(name, "x", len(x), rows*d)
	need(name, "dst", len(dst), d)
	need(name, "scratch", len(scratch), SumLeadingScratch(rows, d))
	t := columnTasks.get()
	defer columnTasks.put(t)
	t.rows, t.d, t.x, t.part = rows, d, x, scratch
	blocks := ceilDiv(rows, reduceRows)
	p.RunTask(blocks, t)
	dst = dst[:d]
	if !accumulate {
		clear(dst)
	}
	if blocks > 0 {
		active.add(dst, dst, foldBlocks(scratch, blocks, d))
	}
}

// foldBlocks adds blocks of size values pairwise, in a tree fixed by their
// number, into the first, which it returns.
func foldBlocks(part []float32, blocks, size int) []float32 {
	for step := 1; step < blocks; step *= 2 {
		for b := 0; b+step < blocks; b += 2 * step {
			to := part[b*size : (b+1)*size]
			active.add(to, to, part[(b+step)*size:(b+step+1)*size])
		}
	}
	return part[:size]
}

var columnTasks freeList[columnTask]

type columnTask struct {
	rows, d int
	x, part []float32
}

func (t *columnTask) Do(item, _ int) {
	dst := t.part[item*t.d : (item+1)*t.d]
	clear(dst)
	for r := item * reduceRows; r < min((item+1)*reduceRows, t.rows); r++ {
		active.add(dst, dst, t.x[r*t.d:(r+1)*t.d])
	}
}

// AddRows adds a vector to every row: dst[r,j] = x[r,j] + v[j]. x, dst [R, D],
// v [D]; dst may be x.
func AddRows(p *Pool, rows, d int, dst, x, v []float32) {
	rowsTimes(p, "AddRows", rows, d, dst, x, v, func(t *rowTask, r int) {
		active.add(t.row(t.y, r), t.row(t.x, r), t.dy[:t.d])
	})
}

// MulRows multiplies every row by a vector: dst[r,j] = x[r,j]·v[j]. x, dst
// [R, D], v [D]; dst may be x.
func MulRows(p *Pool, rows, d int, dst, x, v []float32) {
	rowsTimes(p, "MulRows", rows, d, dst, x, v, func(t *rowTask, r int) {
		active.mul(t.row(t.y, r), t.row(t.x, r), t.dy[:t.d])
	})
}

func rowsTimes(p *Pool, name string, rows, d int, dst, x, v []float32, step func(*rowTask, int)) {
	extents(name, "R, D", rows, d)
	need(name, "x", len(x), rows*d)
	need(name, "dst", len(dst), rows*d)
	need(name, "v", len(v), d)
	t := rowTasks.get()
	defer rowTasks.put(t)
	t.rows, t.d, t.x, t.y, t.dy, t.step = rows, d, x, dst, v, step
	t.run(p)
}

// ScaleRows multiplies each row by a number: dst[r,j] = x[r,j]·s[r]. x, dst
// [R, D], s [R]; dst may be x.
func ScaleRows(p *Pool, rows, d int, dst, x, s []float32) {
	extents("ScaleRows", "R, D", rows, d)
	need("ScaleRows", "x", len(x), rows*d)
	need("ScaleRows", "dst", len(dst), rows*d)
	need("ScaleRows", "s", len(s), rows)
	t := rowTasks.get()
	defer rowTasks.put(t)
	t.rows, t.d, t.x, t.y, t.loss = rows, d, x, dst, s
	t.step = func(t *rowTask, r int) { active.scale(t.row(t.y, r), t.loss[r], t.row(t.x, r)) }
	t.run(p)
}

// DotRows is the inner product row by row, the gradient of a row's factor:
// dst[r] = Σ_j x[r,j]·y[r,j]. x, y [R, D], dst [R].
func DotRows(p *Pool, rows, d int, x, y, dst []float32) {
	extents("DotRows", "R, D", rows, d)
	need("DotRows", "x", len(x), rows*d)
	need("DotRows", "y", len(y), rows*d)
	need("DotRows", "dst", len(dst), rows)
	t := rowTasks.get()
	defer rowTasks.put(t)
	t.rows, t.d, t.x, t.y, t.loss = rows, d, x, y, dst
	t.step = func(t *rowTask, r int) { t.loss[r] = active.dot(t.row(t.x, r), t.row(t.y, r)) }
	t.run(p)
}

// SumSquaresScratch is the number of float64 values [SumSquares] needs.
func SumSquaresScratch(n int) int { return ceilDiv(n, elementBlock) }

// SumSquares is Σ x² in float64, for gradient norms.
func SumSquares(p *Pool, x []float32, scratch []float64) float64 {
	blocks := SumSquaresScratch(len(x))
	need("SumSquares", "scratch", len(scratch), blocks)
	t := squareTasks.get()
	defer squareTasks.put(t)
	t.x, t.part = x, scratch
	p.RunTask(blocks, t)
	for step := 1; step < blocks; step *= 2 {
		for b := 0; b+step < blocks; b += 2 * step {
			scratch[b] += scratch[b+step]
		}
	}
	if blocks == 0 {
		return 0
	}
	return scratch[0]
}

var squareTasks freeList[squareTask]

type squareTask struct {
	x    []float32
	part []float64
}

func (t *squareTask) Do(item, _ int) {
	i := item * elementBlock
	t.part[item] = active.sumSquares(t.x[i:min(i+elementBlock, len(t.x))])
}

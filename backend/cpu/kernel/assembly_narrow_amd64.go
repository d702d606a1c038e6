//go:build amd64 && !noasm

package kernel

// What is no whole number of vectors takes the portable form.

// gemvFunc adds whole groups of rows.
type gemvFunc[T float32 | int8 | uint16] = func(groups, n int, y, x *float32, b *T, ldb, start, ahead, parts, across, skip int)

const (
	gemvRows = 8 // of a group
	// gemvAhead is how far ahead, in bytes, a matrix is asked of memory: long enough before it
	// is needed, and little enough to stay in L2.
	gemvAhead = 16 << 10
	// gemvCached is the largest matrix that is not asked for: as likely it is in a cache.
	gemvCached = 32 << 10
	// Rows of that many bytes are added one by one, where elements are cheap to widen.
	shortRow, shortRowBF16 = 4 << 10, 8 << 10
	// narrowRow is too short to be added on its own.
	narrowRow = 512
)

// runGemv adds the groups of x to y, which has n columns, a multiple of step: what a vector
// of memory holds. ldb is in elements. b reaches to the end of the matrix, and follows tells
// that the rows before were added by the same core, so that the first have been asked for.
func runGemv[T float32 | int8 | uint16](f gemvFunc[T], groups, n, step, lanes int, y, x []float32, b []T, ldb int, follows bool) {
	size, part := 4*lanes/step, gemvRows*4*lanes
	parts, across, skip := groups*n/step, 1<<62, 0 // one row behind the other without a gap
	ahead, all := n/step+gemvAhead/part, len(b)*size/part
	start := ahead * part
	switch {
	case n == ldb:
	case ldb*size <= part: // narrow rows are asked for whole: more than there are steps, so the first at once
		whole := groups * gemvRows * ldb * size / part
		ahead += max(0, whole-parts)
		parts, follows = whole-ahead, false
	default:
		across = n * size / part
		skip = (ldb-n)*size + n*size%part
		rows := gemvRows + ceilDiv(gemvAhead, n*size)
		ahead, all, start = rows*across, ceilDiv(len(b), ldb)*across, rows*ldb*size
	}
	switch {
	case across == 0 || groups*gemvRows*n*size <= gemvCached:
		ahead, parts = 0, 0
	case follows:
		parts = max(0, min(parts, all-ahead))
		ahead = 0
	default:
		start = 0
		parts = min(parts+ahead, all)
		ahead = min(ahead, parts)
	}
	f(groups, n, &y[0], &x[0], &b[0], size*ldb, start, ahead, parts, max(across, 1), skip)
}

// restOf adds what no group of rows holds: any number of rows, a vector of columns after the
// other and then the columns that fill none.
func restOf[T int8 | uint16](lanes, size int, columns func(rows int, y, x *float32, b *T, ldb int), portable func(y, x []float32, b []T, ldb int, _ bool)) func(y, x []float32, b []T, ldb int) {
	return func(y, x []float32, b []T, ldb int) {
		if len(x) == 0 {
			return
		}
		j := 0
		for ; j+lanes <= len(y); j += lanes {
			columns(len(x), &y[j], &x[0], &b[j], size*ldb)
		}
		if j < len(y) {
			portable(y[j:], x, b[j:], ldb, false)
		}
	}
}

// gemvNarrowOf is for assembly that takes groups of rows of a multiple of step columns.
func gemvNarrowOf[T int8 | uint16](step, lanes int, f gemvFunc[T], rest func(y, x []float32, b []T, ldb int)) func(y, x []float32, b []T, ldb int, follows bool) {
	return func(y, x []float32, b []T, ldb int, follows bool) {
		n, groups := len(y)&^(step-1), len(x)/gemvRows
		if n > 0 && groups > 0 {
			runGemv(f, groups, n, step, lanes, y, x, b, ldb, follows)
			if p := gemvRows * groups; p < len(x) {
				rest(y[:n], x[p:], b[p*ldb:], ldb)
			}
		} else {
			n = 0
		}
		if n < len(y) {
			rest(y[n:], x, b[n:], ldb)
		}
	}
}

// gemvBF16Of adds short rows one after the other, and groups of others.
func gemvBF16Of(lanes int, rows func(rows, n int, y, x *float32, b *uint16, ldb int), f gemvFunc[uint16], columns func(rows int, y, x *float32, b *uint16, ldb int)) func(y, x []float32, b []uint16, ldb int, follows bool) {
	rest := restOf(lanes, 2, columns, gemvBF16Generic)
	long := gemvNarrowOf(2*lanes, lanes, f, rest)
	return func(y, x []float32, b []uint16, ldb int, follows bool) {
		n := len(y) &^ (lanes - 1)
		if len(x) == 0 || n == 0 || 2*ldb > shortRowBF16 {
			long(y, x, b, ldb, follows)
			return
		}
		rows(len(x), n, &y[0], &x[0], &b[0], 2*ldb)
		if n < len(y) {
			rest(y[n:], x, b[n:], ldb)
		}
	}
}

func dotNarrowOf[T int8 | uint16](lanes int, f func(n int, x *float32, b *T) float32, portable func(x []float32, b []T) float32) func(x []float32, b []T) float32 {
	return func(x []float32, b []T) float32 {
		n := len(x) &^ (lanes - 1)
		if n == 0 {
			return portable(x, b)
		}
		return f(n, &x[0], &b[0]) + portable(x[n:], b[n:])
	}
}

func widenInt8Of(lanes int, f func(n int, dst *float32, b *int8)) func(dst []float32, b []int8) {
	return func(dst []float32, b []int8) {
		n := len(dst) &^ (lanes - 1)
		if n > 0 {
			f(n, &dst[0], &b[0])
		}
		widenInt8Generic(dst[n:], b[n:])
	}
}

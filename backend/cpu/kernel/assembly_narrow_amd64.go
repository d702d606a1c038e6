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
	size := 4 * lanes / step
	a := askAhead(groups*gemvRows, gemvRows, n*size, ldb*size, len(b)*size, gemvRows*4*lanes, follows)
	f(groups, n, &y[0], &x[0], &b[0], size*ldb, a.start, a.ahead, a.parts, a.across, a.skip)
}

// asking is what assembly asks of memory, see its comments.
type asking struct{ start, ahead, parts, across, skip int }

// askAhead is for rows of n bytes, ld apart, of which a group is added at a time, in a matrix
// that has so many bytes left. All are asked for in parts of so many bytes.
func askAhead(rows, group, n, ld, left, part int, follows bool) asking {
	a := asking{parts: rows * n / part, ahead: group*n/part + gemvAhead/part, across: 1 << 62} // one row behind the other without a gap
	all := left / part
	a.start = a.ahead * part
	switch {
	case n == ld:
	case ld <= part: // narrow rows are asked for whole: more than there are steps, so the first at once
		whole := rows * ld / part
		a.ahead += max(0, whole-a.parts)
		a.parts, follows = whole-a.ahead, false
	default:
		a.across = n / part
		a.skip = ld - n + n%part
		before := group + ceilDiv(gemvAhead, n)
		a.ahead, all, a.start = before*a.across, ceilDiv(left, ld)*a.across, before*ld
	}
	switch {
	case a.across == 0 || rows*n <= gemvCached:
		a.ahead, a.parts = 0, 0
	case follows:
		a.parts = max(0, min(a.parts, all-a.ahead))
		a.ahead = 0
	default:
		a.start = 0
		a.parts = min(a.parts+a.ahead, all)
		a.ahead = min(a.ahead, a.parts)
	}
	a.across = max(a.across, 1)
	return a
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

//go:build amd64 && !noasm

package kernel

// What is no whole number of vectors takes the portable form.

// longRow is the length in bytes from which on rows are read 8 at a time.
const longRow = 4096

// gemvNarrowOf is for assembly that adds 8 rows, or one after the other, of a multiple of
// the lanes; size is that of an element in bytes.
func gemvNarrowOf[T int8 | uint16](lanes, size int, eight func(n int, y, x *float32, b *T, ldb int), each func(rows, n int, y, x *float32, b *T, ldb int), portable func(y, x []float32, b []T, ldb int)) func(y, x []float32, b []T, ldb int) {
	return func(y, x []float32, b []T, ldb int) {
		n, p := len(y)&^(lanes-1), 0
		if n > 0 && len(x) > 0 && size*ldb < longRow {
			each(len(x), n, &y[0], &x[0], &b[0], size*ldb)
			if n < len(y) {
				portable(y[n:], x, b[n:], ldb)
			}
			return
		}
		for ; n > 0 && p+8 <= len(x); p += 8 {
			eight(n, &y[0], &x[p], &b[p*ldb], size*ldb)
			if n < len(y) {
				portable(y[n:], x[p:p+8], b[p*ldb+n:], ldb)
			}
		}
		if p < len(x) {
			portable(y, x[p:], b[p*ldb:], ldb)
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

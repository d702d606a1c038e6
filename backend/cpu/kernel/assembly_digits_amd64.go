//go:build amd64 && !noasm

package kernel

const (
	digitRows  = 16 // of a group
	digitGroup = 64 // bytes of its digits
	digitStep  = 64 // columns
	// digitGroups is how many are written at once, on the stack.
	digitGroups = 32
)

// gemvDigitsOf adds four rows at a time in whole numbers. Values of x are rounded to 24 bits
// below the largest of 16, which is what float32 keeps of a sum of them; sums of 16 rows are
// exact, so that fewer are rounded than where rows are added one by one. Matrices of few
// columns are left to the other form.
func gemvDigitsOf(other func(y, x []float32, b []int8, ldb int, follows bool)) func(y, x []float32, b []int8, ldb int, follows bool) {
	return func(y, x []float32, b []int8, ldb int, follows bool) {
		n, rows := len(y)&^(digitStep-1), len(x)&^3
		if n == 0 || rows == 0 {
			other(y, x, b, ldb, follows)
			return
		}
		addDigits(y[:n], x[:rows], b, ldb, follows)
		if n < len(y) { // together with columns before them
			var last [digitStep]float32
			addDigits(last[:], x[:rows], b[len(y)-digitStep:], ldb, false)
			copy(y[n:], last[digitStep-(len(y)-n):])
		}
		if rows < len(x) {
			gemvInt8Generic(y, x[rows:], b[rows*ldb:], ldb, false)
		}
	}
}

// addDigits is for numbers of rows and columns that assembly takes; y is zero before.
func addDigits(y, x []float32, b []int8, ldb int, follows bool) {
	const part = 4 * digitStep
	var digits [digitGroups * digitGroup]byte
	for len(x) > 0 {
		rows := min(len(x), digitGroups*digitRows)
		avx512Digits(rows, &x[0], &digits[0])
		whole := rows / digitRows
		if whole > 0 {
			a := askAhead(whole*digitRows, digitRows, len(y), ldb, len(b), part, follows)
			avx512GemvDigits(whole, digitRows/4, len(y), &y[0], &digits[0], &b[0], ldb, a.start, a.ahead, a.parts, a.across, a.skip)
			follows = true
		}
		if quads := rows % digitRows / 4; quads > 0 {
			avx512GemvDigits(1, quads, len(y), &y[0], &digits[whole*digitGroup], &b[whole*digitRows*ldb], ldb, 0, 0, 0, 1, 0)
		}
		x = x[rows:]
		if len(x) > 0 {
			b = b[rows*ldb:]
		}
	}
	avx512OrderInt8(len(y), &y[0])
}

package kernel

import "fmt"

// need panics unless a slice of have values holds want.
func need(kernel, arg string, have, want int) {
	if have < want {
		shortSlice(kernel, arg, have, want)
	}
}

// needOrNil is need for an argument that may be left out.
func needOrNil(kernel, arg string, s []float32, want int) {
	if s != nil {
		need(kernel, arg, len(s), want)
	}
}

//go:noinline
func shortSlice(kernel, arg string, have, want int) {
	panic(fmt.Sprintf("kernel: %s: %s holds %d values, needs %d", kernel, arg, have, want))
}

// extents panics on a negative extent. names lists them, one letter or word each.
func extents(kernel, names string, sizes ...int) {
	for i, v := range sizes {
		if v < 0 {
			panic(fmt.Sprintf("kernel: %s: extent %d of (%s) is %d, must not be negative", kernel, i, names, v))
		}
	}
}

// span is the length of a strided matrix: rows of cols values, ld apart.
func span(rows, cols, ld int) int {
	if rows <= 0 || cols <= 0 {
		return 0
	}
	return (rows-1)*ld + cols
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

func roundUp(a, b int) int { return ceilDiv(a, b) * b }

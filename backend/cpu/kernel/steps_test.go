//go:build linux || darwin

package kernel

import (
	"fmt"
	"testing"
)

// stepCase runs a step on copies of the same values, in memory that ends at a page that must
// not be touched, and answers everything.
func stepCase(t *testing.T, sizes []int, run func(s [][]float32)) [][]float32 {
	r := newSource(60)
	var s [][]float32
	for _, n := range sizes {
		s = append(s, guardedRandom(t, r, n, -1, 1))
	}
	run(s)
	return s
}

func TestStepsEqualTheirPortableForms(t *testing.T) {
	type step func(d *dispatch, s [][]float32)
	cases := map[string]struct {
		sizes []int
		run   step
	}{}
	for _, n := range []int{3, 8, 16, 48, 128} {
		cases[fmt.Sprintf("SSD, N = %d", n)] = struct {
			sizes []int
			run   step
		}{[]int{5, n, n, 5 * n, 5}, func(d *dispatch, s [][]float32) { d.ssdStep(0.7, s[0], s[1], s[2], s[3], s[4]) }}
		cases[fmt.Sprintf("diagonal, M = %d", n)] = struct {
			sizes []int
			run   step
		}{[]int{5, 10 * n, 10 * n, 10 * n, 5}, func(d *dispatch, s [][]float32) { d.diagonalStep(s[0], s[1], s[2], s[3], s[4]) }}
	}
	for _, n := range []int{4, 32, 64, 128} {
		cases[fmt.Sprintf("delta, Dv = %d", n)] = struct {
			sizes []int
			run   step
		}{[]int{7, 7, n, 7 * n, n}, func(d *dispatch, s [][]float32) { d.deltaStep(0.7, s[0], s[1], s[2], s[3], s[4]) }}
	}
	eachLevel(t, func(t *testing.T) {
		for name, c := range cases {
			got := stepCase(t, c.sizes, func(s [][]float32) { c.run(active, s) })
			want := stepCase(t, c.sizes, func(s [][]float32) { c.run(newGeneric(), s) })
			for i := range want {
				near(t, fmt.Sprintf("%s, argument %d", name, i), got[i], wide(want[i]), 1e-6)
			}
		}
	})
}

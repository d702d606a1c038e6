//go:build matrix

package zoo_test

import "testing"

// TestMatrix holds every mixer with every router and every expert, a model for each.
func TestMatrix(t *testing.T) {
	for _, m := range matrixMixers {
		for _, r := range matrixRouters {
			for i, e := range matrixExperts {
				p := triple{m, r, e}
				t.Run(p.String(), func(t *testing.T) {
					t.Parallel()
					holds(t, []triple{p}, i%2 == 1)
				})
			}
		}
	}
}

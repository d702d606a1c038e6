package kernel

import (
	"fmt"
	"math"
	"testing"
)

// Sums of experts' rows are defined to the bit: trained models depend on their order.
func TestRowsOfExpertsAreSummedInOrder(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := newSource(12)
		for _, s := range [][3]int{{0, 1, 8}, {1, 1, 5}, {70, 1, 256}, {37, 2, 33}, {33, 3, 1}} {
			tokens, k, n := s[0], s[1], s[2]
			rows := tokens * k
			x, dy, weight := r.slice(rows*n, -1, 1), r.slice(tokens*n, -1, 1), r.slice(rows, 0, 1)
			for i := 0; i < len(x); i += 7 {
				x[i] = float32(math.Copysign(0, -1)) // its product is no zero but -0
			}
			inverse := make([]int64, rows)
			for i, v := range r.Perm(rows) {
				inverse[i] = int64(v)
			}
			sum, combined := make([]float32, tokens*n), make([]float32, tokens*n)
			dx, dweight := make([]float32, rows*n), make([]float32, rows)
			for a, v := range inverse {
				for i := range n {
					at, to := int(v)*n+i, a/k*n+i
					sum[to] += x[at]
					combined[to] += weight[a] * x[at]
					dx[at] = weight[a] * dy[to]
					dweight[a] += dy[to] * x[at]
				}
			}
			got := eachThreads(t, func(p *Pool) [][]float32 {
				y, z, d, w := garbage(tokens*n), garbage(tokens*n), garbage(rows*n), garbage(rows)
				SumRows(p, tokens, k, n, x, inverse, y)
				Combine(p, tokens, k, n, x, weight, inverse, z)
				CombineGrad(p, tokens, k, n, dy, x, weight, inverse, d, w)
				CombineGrad(p, tokens, k, n, dy, x, weight, inverse, nil, nil)
				return [][]float32{y, z, d, w}
			})
			for i, want := range [][]float32{sum, combined, dx, dweight} {
				for j := range want {
					if math.Float32bits(got[i][j]) != math.Float32bits(want[j]) {
						t.Fatalf("%s: %v: value %d is %v, want %v", []string{"SumRows", "Combine", "dx", "dweight"}[i], s, j, got[i][j], want[j])
					}
				}
			}
		}
	})
}

func TestRowsOfExpertsAreChecked(t *testing.T) {
	for name, f := range map[string]func(){
		"an index outside": func() { SumRows(nil, 1, 2, 1, make([]float32, 2), []int64{0, 2}, make([]float32, 1)) },
		"short weights":    func() { Combine(nil, 2, 1, 1, make([]float32, 2), nil, make([]int64, 2), make([]float32, 2)) },
		"a short gradient": func() {
			CombineGrad(nil, 1, 1, 2, make([]float32, 2), make([]float32, 2), make([]float32, 1), make([]int64, 1), make([]float32, 1), nil)
		},
	} {
		t.Run(fmt.Sprint(name), func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

package blocks

import (
	"math"
	"math/cmplx"
	"testing"
)

// TestHiPPOIsDiagonalised: V·Λ·V⁻¹ is the normal part of HiPPO-LegS, with V⁻¹ its conjugate
// transpose, and eigenvalues ascend.
func TestHiPPOIsDiagonalised(t *testing.T) {
	for _, n := range []int{1, 2, 5, 16} {
		im, v, err := hippoSystem(n)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if i > 0 && im[i] <= im[i-1] {
				t.Errorf("%d states: eigenvalues %v do not ascend", n, im)
			}
			for j := range n {
				sum := complex128(0)
				for k := range n {
					sum += v[i][k] * complex(-0.5, im[k]) * cmplx.Conj(v[j][k])
				}
				want := -0.5 // A + p·pᵀ on the diagonal, −(i+1) + i + ½
				if i != j {
					want = -0.5 * math.Sqrt(float64((2*i+1)*(2*j+1)))
					if i < j {
						want = -want
					}
				}
				if cmplx.Abs(sum-complex(want, 0)) > 1e-9*float64(n) {
					t.Errorf("%d states: element %d, %d is %v, want %v", n, i, j, sum, want)
				}
			}
		}
	}
}

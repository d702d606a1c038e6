package bench

import (
	"math"
	"testing"
)

// TestCurvesFitWhatIsAffine from the extent on where the fit begins.
func TestCurvesFitWhatIsAffine(t *testing.T) {
	c := newCurve("tokens", []int{1, 2, 4, 8}, []float64{100, 100, 3 + 2*4, 3 + 2*8}, 4)
	if math.Abs(c.Fixed-3) > 1e-9 || math.Abs(c.PerUnit-2) > 1e-9 || c.Off > 1e-9 || c.Ratio != 0.19 {
		t.Errorf("%+v", c)
	}
	c = newCurve("layers", []int{1, 2, 3}, []float64{10, 10, 20}, 0)
	if c.Off < 0.05 || c.Off > 0.3 {
		t.Errorf("three points on no line: %+v", c)
	}
}

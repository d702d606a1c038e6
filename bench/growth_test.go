package bench

import (
	"math"
	"testing"
)

// TestCurvesFitWhatIsAffine from the extent on where the fit begins, by the clock and in
// processor time each.
func TestCurvesFitWhatIsAffine(t *testing.T) {
	c := newCurve("tokens", []int{1, 2, 4, 8}, []Times{{Median: 100, CPU: 1}, {Median: 100, CPU: 7}, {Median: 3 + 2*4, CPU: 7 + 5*4}, {Median: 3 + 2*8, CPU: 7 + 5*8}}, 4)
	for _, x := range []struct {
		line                  Line
		fixed, perUnit, ratio float64
	}{{c.Line, 3, 2, 0.19}, {c.CPU, 7, 5, 47}} {
		if math.Abs(x.line.Fixed-x.fixed) > 1e-9 || math.Abs(x.line.PerUnit-x.perUnit) > 1e-9 || x.line.Off > 1e-9 || x.line.Ratio != x.ratio {
			t.Errorf("%+v, want %v", x.line, x)
		}
	}
	if l := newLine([]int{1, 2, 3}, []float64{10, 10, 20}, 0); l.Off < 0.05 || l.Off > 0.3 {
		t.Errorf("three points on no line: %+v", l)
	}
}

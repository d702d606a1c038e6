package study

import (
	"math"
	"testing"
)

func TestBracketFindsWhereARisingFunctionPasses(t *testing.T) {
	for name, f := range map[string]func(x float64) float64{
		"line": func(x float64) float64 { return x - 437.5 }, "first": func(x float64) float64 { return x - 0.5 }, "exact": func(x float64) float64 { return x - 96 },
		"square": func(x float64) float64 { return x*x - 90000.5 }, "root": func(x float64) float64 { return math.Sqrt(x) - 33.3 },
		"steps": func(x float64) float64 { return math.Floor(x/16)*16 - 801 }, "never": func(float64) float64 { return -1 },
	} {
		calls := 0
		low, high, err := bracket(func(n int64) (float64, error) { calls++; return f(float64(n)), nil })
		if err != nil || high-low != 1 && name != "never" || low > 0 && f(float64(low)) >= 0 || f(float64(high)) < 0 && name != "never" {
			t.Errorf("%s: %d and %d: %v and %v, %v", name, low, high, f(float64(low)), f(float64(high)), err)
		}
		if calls > 25 || name == "line" && calls > 6 {
			t.Errorf("%s: %d calls", name, calls)
		}
	}
}

package plot

import (
	"math"
	"slices"
	"strconv"
)

// Axis is one of a chart's two axes.
type Axis struct {
	Label     string
	Log       bool
	Base      float64   // of the ticks of a logarithmic axis; 10 when 0
	Low, High float64   // both 0 to fit the data
	Ticks     []float64 // where they are to be, round values when nil
}

// scale maps values to coordinates.
type scale struct {
	Axis
	from, to float64 // coordinates of Low and High
}

func (s scale) at(x float64) float64 {
	low, high := s.Low, s.High
	if s.Log {
		x, low, high = math.Log(math.Max(x, math.SmallestNonzeroFloat64)), math.Log(low), math.Log(high)
	}
	return s.from + (x-low)/(high-low)*(s.to-s.from)
}

// padded is the axis with a little room at both ends.
func (a Axis) padded() Axis {
	if a.Log {
		room := math.Pow(a.High/a.Low, 0.04)
		a.Low, a.High = a.Low/room, a.High*room
		return a
	}
	room := (a.High - a.Low) * 0.04
	a.Low, a.High = a.Low-room, a.High+room
	return a
}

// fit widens an axis without limits to values, and gives one of no extent some.
func (a Axis) fit(values []float64) Axis {
	if a.Low == 0 && a.High == 0 {
		a.Low, a.High = math.Inf(1), math.Inf(-1)
		for _, v := range values {
			if !math.IsNaN(v) && !math.IsInf(v, 0) && (!a.Log || v > 0) {
				a.Low, a.High = math.Min(a.Low, v), math.Max(a.High, v)
			}
		}
	}
	if a.Low > a.High {
		a.Low, a.High = 1, 2
	}
	if a.Low == a.High {
		if a.Log {
			a.Low, a.High = a.Low/2, a.High*2
		} else {
			a.Low, a.High = a.Low-math.Max(math.Abs(a.Low)/10, 1e-9), a.High+math.Max(math.Abs(a.High)/10, 1e-9)
		}
	}
	return a
}

// mostTicks ends what rounding would never end, where values are so large that they lie side by side.
const mostTicks = 100

// ticks are round values within the axis, about n of them.
func (a Axis) ticks(n int) []float64 {
	if a.Ticks != nil {
		return a.Ticks
	}
	if a.Log {
		return a.logTicks(n)
	}
	raw := (a.High - a.Low) / float64(n)
	step := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, f := range []float64{1, 2, 2.5, 5, 10} {
		if f*step >= raw {
			step *= f
			break
		}
	}
	var out []float64
	for k := math.Ceil(a.Low/step - 1e-9); k*step <= a.High+1e-9*step && len(out) < mostTicks; k++ {
		out = append(out, k*step+0) // never −0
	}
	return out
}

func (a Axis) logTicks(n int) []float64 {
	base := a.Base
	if base == 0 {
		base = 10
	}
	first, last := math.Ceil(math.Log(a.Low)/math.Log(base)-1e-9), math.Floor(math.Log(a.High)/math.Log(base)+1e-9)
	if base == 10 && last-first < 2 { // less than three powers: 1, 2 and 5 of each
		var out []float64
		for k := first - 1; k <= last; k++ {
			for _, f := range []float64{1, 2, 5} {
				if v := f * math.Pow(10, k); v >= a.Low*(1-1e-9) && v <= a.High*(1+1e-9) {
					out = append(out, v)
				}
			}
		}
		if len(out) > 1 {
			return out
		}
		linear := a
		linear.Log = false
		return linear.ticks(n)
	}
	every := math.Max(1, math.Ceil((last-first)/float64(n)))
	var out []float64
	for k := first; k <= last && len(out) < mostTicks; k += every {
		out = append(out, math.Pow(base, k))
	}
	return out
}

var prefixes = []struct {
	factor float64
	name   string
}{{1e18, "E"}, {1e15, "P"}, {1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}}

// Short is a number with at most three digits and a prefix: 2.5M.
func Short(x float64) string { return rounded(x, 3) }

func rounded(x float64, n int) string {
	if x < 0 {
		return "−" + rounded(-x, n)
	}
	for _, p := range prefixes {
		if x >= p.factor*0.9995 {
			return digits(x/p.factor, n) + p.name
		}
	}
	return digits(x, n)
}

func digits(x float64, n int) string {
	s := strconv.FormatFloat(x, 'g', n, 64)
	if v, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(v) >= 1e-4 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return s
}

// mostDigits are enough for any ticks that lie apart on a page.
const mostDigits = 9

// labels is Short with as many digits more as tell ticks apart.
func labels(ticks []float64) func(float64) string {
	for n := 3; ; n++ {
		f := func(x float64) string { return rounded(x, n) }
		same := func(a, b float64) bool { return f(a) == f(b) }
		if n == mostDigits || len(slices.CompactFunc(slices.Clone(ticks), same)) == len(ticks) {
			return f
		}
	}
}

// Binary is a size in units of 1024: 64k.
func Binary(x float64) string {
	for i, p := range []string{"G", "M", "k"} {
		if f := math.Pow(1024, float64(3-i)); x >= f {
			return digits(x/f, 3) + p
		}
	}
	return digits(x, 3)
}

package report

import (
	"math"
	"sort"
)

// smooth is the local quadratic regression of y over x at each x, with tricube weights over the
// nearest third of the points, at least five. x must rise.
func smooth(x, y []float64) []float64 {
	n := len(x)
	k := min(max(n/3, 5), n)
	out := make([]float64, n)
	for i := range x {
		lo := 0
		for lo+k < n && x[i]-x[lo] > x[lo+k]-x[i] { // the nearest k
			lo++
		}
		reach := math.Max(x[i]-x[lo], x[lo+k-1]-x[i]) * (1 + 1e-9)
		out[i] = localQuadratic(x[lo:lo+k], y[lo:lo+k], x[i], reach)
	}
	return out
}

// localQuadratic is the constant of the weighted fit of a + b·d + c·d², where d is the distance
// to at in units of reach; few different points make it a line or a mean.
func localQuadratic(x, y []float64, at, reach float64) float64 {
	var m, v [5]float64 // sums of w·dⁿ, and of w·dⁿ·y
	for j := range x {
		d := 0.0
		if reach > 0 {
			d = (x[j] - at) / reach
		}
		w := math.Pow(1-math.Abs(d*d*d), 3)
		for p := range m {
			m[p], v[p] = m[p]+w, v[p]+w*y[j]
			w *= d
		}
	}
	// Cramer's rule for the first of three unknowns.
	det := m[0]*(m[2]*m[4]-m[3]*m[3]) - m[1]*(m[1]*m[4]-m[2]*m[3]) + m[2]*(m[1]*m[3]-m[2]*m[2])
	if scale := m[0] * m[2] * m[4]; det > 1e-9*scale {
		return (v[0]*(m[2]*m[4]-m[3]*m[3]) - m[1]*(v[1]*m[4]-v[2]*m[3]) + m[2]*(v[1]*m[3]-v[2]*m[2])) / det
	}
	if det := m[0]*m[2] - m[1]*m[1]; det > 1e-9*m[0]*m[2] {
		return (v[0]*m[2] - v[1]*m[1]) / det
	}
	return v[0] / m[0]
}

// falling is the non-increasing sequence nearest to y in the sense of least squares: where
// neighbours rise they are pooled into their mean.
func falling(y []float64) []float64 {
	type pool struct {
		sum float64
		n   int
	}
	var pools []pool
	for _, v := range y {
		pools = append(pools, pool{v, 1})
		for len(pools) > 1 {
			a, b := pools[len(pools)-2], pools[len(pools)-1]
			if a.sum/float64(a.n) >= b.sum/float64(b.n) {
				break
			}
			pools = append(pools[:len(pools)-2], pool{a.sum + b.sum, a.n + b.n})
		}
	}
	out := make([]float64, 0, len(y))
	for _, p := range pools {
		for range p.n {
			out = append(out, p.sum/float64(p.n))
		}
	}
	return out
}

// crossing is the x at which a non-increasing y first is at level or below, interpolated;
// false when it never is.
func crossing(x, y []float64, level float64) (float64, bool) {
	i := sort.Search(len(y), func(i int) bool { return y[i] <= level })
	switch {
	case i == len(y):
		return 0, false
	case i == 0 || y[i-1] == y[i]:
		return x[i], true
	}
	return x[i-1] + (x[i]-x[i-1])*(y[i-1]-level)/(y[i-1]-y[i]), true
}

// logs are logarithms.
func logs(x []float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = math.Log(v)
	}
	return out
}

// interpolate is y over x at another x, constant beyond the ends.
func interpolate(x, y []float64, at float64) float64 {
	i := sort.SearchFloat64s(x, at)
	switch {
	case len(x) == 0:
		return math.NaN()
	case i == 0:
		return y[0]
	case i == len(x):
		return y[len(y)-1]
	}
	return y[i-1] + (y[i]-y[i-1])*(at-x[i-1])/(x[i]-x[i-1])
}

// meanAndDeviation are the mean of values and their sample standard deviation, 0 for one.
func meanAndDeviation(v []float64) (mean, deviation float64) {
	for _, x := range v {
		mean += x / float64(len(v))
	}
	if len(v) < 2 {
		return mean, 0
	}
	for _, x := range v {
		deviation += (x - mean) * (x - mean) / float64(len(v)-1)
	}
	return mean, math.Sqrt(deviation)
}

package kernel

import (
	"math"
	"testing"
)

// ulps is the distance between two float32 values in representable steps.
func ulps(a float32, want float64) float64 {
	w := float32(want)
	if a == w || (a != a && w != w) {
		return 0
	}
	if math.IsInf(float64(a), 0) || math.IsInf(float64(w), 0) || a != a || w != w {
		return math.Inf(1)
	}
	step := float64(math.Nextafter32(float32(math.Abs(want)), math.MaxFloat32)) - math.Abs(float64(w))
	return math.Abs(float64(a)-want) / max(step, math.SmallestNonzeroFloat32)
}

var inf = float32(math.Inf(1))

var awkward = []float32{
	0, float32(math.Copysign(0, -1)), 1e-45, -1e-45, 1e-38, -1e-38, 1e-20, -1e-20, 1e-7, -1e-7, 1e-3, -1e-3, 0.5, -0.5, 1, -1, 20, 20.00001, 19.99999,
	-20, 88.72283, 88.72284, 89, 100, -87.3, -87.4, -100, -103.9, -104, -110, 1e4, -1e4, 3e38, -3e38, inf, -inf, float32(math.NaN()),
}

// sweep is awkward values and many ordinary ones.
func sweep(lo, hi float32) []float32 { return append(newSource(20).slice(20003, lo, hi), awkward...) }

func TestExpIsWithinTwoUnitsInTheLastPlace(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		x := append(sweep(-105, 89), newSource(21).slice(20000, -1, 1)...)
		y := garbage(len(x))
		Exp(nil, y, x)
		worst := 0.0
		for i, v := range x {
			u := ulps(y[i], math.Exp(float64(v)))
			if u > 2 {
				t.Fatalf("exp(%v) = %v, want %v (%.2f units)", v, y[i], math.Exp(float64(v)), u)
			}
			worst = max(worst, u)
		}
		t.Logf("worst %.3f units in the last place", worst)
	})
}

func TestDecayIsWithinTwoUnitsInTheLastPlace(t *testing.T) {
	for _, z := range newSource(22).slice(50000, -125, 1) {
		if u := ulps(decay32(z), math.Exp2(float64(z))); u > 2 {
			t.Fatalf("decay(%v) = %v, want %v (%.2f units)", z, decay32(z), math.Exp2(float64(z)), u)
		}
	}
}

func TestElementwiseFunctionsEqualFloat64(t *testing.T) {
	sigma := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	phi := func(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }
	softplus := func(x float64) float64 {
		if x > 20 {
			return x
		}
		return math.Log1p(math.Exp(x))
	}
	cases := []struct {
		name   string
		f      func(p *Pool, dst, x []float32)
		want   func(x float64) float64
		lo, hi float32
		units  float64 // relative, in units in the last place
		below  float64 // absolute errors up to this do not count
	}{
		{"sigmoid", Sigmoid, sigma, -90, 90, 2, 1e-38},
		{"silu", SiLU, func(x float64) float64 {
			if math.IsInf(x, -1) {
				return math.NaN()
			}
			return x * sigma(x)
		}, -90, 90, 3, 1e-35},
		{"softplus", Softplus, softplus, -90, 30, 3, 1e-38},
		{"tanh", Tanh, math.Tanh, -12, 12, 2, 0},
		{"gelu", GELU, func(x float64) float64 { return x * phi(x) }, -5, 6, 16, 1e-7},
		{"relu", ReLU, func(x float64) float64 { return math.Max(x, 0) }, -5, 5, 0, 0},
		{"log", Log, math.Log, 0, 1000, 2, 0},
		{"log1p", Log1p, math.Log1p, -1, 1000, 2, 0},
	}
	eachLevel(t, func(t *testing.T) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				x := append(sweep(c.lo, c.hi), newSource(23).slice(20000, -1, 1)...)
				y := eachThreads(t, func(p *Pool) [][]float32 {
					y := garbage(len(x))
					c.f(p, y, x)
					return [][]float32{y}
				})[0]
				worst := 0.0
				for i, v := range x {
					want := c.want(float64(v))
					if c.name == "silu" && math.IsInf(float64(v), -1) || c.name == "gelu" && math.IsInf(float64(v), -1) {
						continue // 0·Inf: no useful value
					}
					if math.Abs(float64(y[i])-want) <= c.below {
						continue
					}
					u := ulps(y[i], want)
					if u > c.units {
						t.Fatalf("%s(%v) = %v, want %v (%.2f units)", c.name, v, y[i], want, u)
					}
					worst = max(worst, u)
				}
				t.Logf("worst %.3f units in the last place", worst)
				again := append([]float32(nil), x...)
				c.f(nil, again, again)
				for i := range y {
					if math.Float32bits(again[i]) != math.Float32bits(y[i]) && y[i] == y[i] {
						t.Fatalf("in place: %v, otherwise %v", again[i], y[i])
					}
				}
			})
		}
	})
}

func TestElementwiseValuesDoNotDependOnTheirPlace(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for name, f := range map[string]func(p *Pool, dst, x []float32){"exp": Exp, "sigmoid": Sigmoid, "silu": SiLU, "softplus": Softplus, "tanh": Tanh, "gelu": GELU, "log": Log, "log1p": Log1p} {
			x := newSource(24).slice(75, 0, 5)
			all := make([]float32, 75)
			f(nil, all, x)
			for from := range 20 {
				for _, n := range []int{1, 3, 8, 9, 31, 40} {
					y := make([]float32, n)
					f(nil, y, x[from:from+n])
					for i, v := range y {
						if v != all[from+i] {
							t.Fatalf("%s: value %d of %d from %d is %v, elsewhere %v", name, i, n, from, v, all[from+i])
						}
					}
				}
			}
		}
	})
}

func TestElementwiseGradients(t *testing.T) {
	cases := []struct {
		name string
		grad func(p *Pool, dx, x, dy []float32)
		f    func(x float64) float64
	}{
		{"silu", SiLUGrad, func(x float64) float64 { return x / (1 + math.Exp(-x)) }},
		{"softplus", SoftplusGrad, func(x float64) float64 { return math.Log1p(math.Exp(x)) }},
		{"gelu", GELUGrad, func(x float64) float64 { return x * 0.5 * math.Erfc(-x/math.Sqrt2) }},
		{"relu", ReLUGrad, func(x float64) float64 { return math.Max(x, 0) }},
	}
	eachLevel(t, func(t *testing.T) {
		for _, c := range cases {
			x, dy := newSource(25).slice(60, -6, 6), newSource(26).slice(60, -1, 1)
			dx := garbage(60)
			c.grad(nil, dx, x, dy)
			model := func(in [][]float64) [][]float64 {
				y := make([]float64, 60)
				for i, v := range in[0] {
					y[i] = c.f(v)
				}
				return [][]float64{y}
			}
			gradients(t, model, [][]float32{x}, [][]float32{dy}, [][]float32{dx}, 2e-6)
			for n := range 20 {
				part := garbage(n)
				c.grad(nil, part, x[3:3+n], dy[3:3+n])
				near(t, c.name+" part", part, wide(dx[3:3+n]), 0)
			}
			big := []float32{-100, -90, 25, 100, 0}
			c.grad(nil, big, big, []float32{1, 1, 1, 1, 1})
			near(t, c.name+" far out", big[:4], []float64{0, 0, 1, 1}, 1e-6)
		}
	})
}

func TestArithmeticEqualsTheDefinition(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := newSource(27)
		for _, n := range []int{0, 1, 7, 8, 9, 31, 32, 33, 70, elementBlock + 5, 3*elementBlock + 11} {
			x, y, z := r.slice(n, -1, 1), r.slice(n, -1, 1), r.slice(n, -1, 1)
			got := eachThreads(t, func(p *Pool) [][]float32 {
				sum, prod, scaled := garbage(n), garbage(n), garbage(n)
				fma, ax := append([]float32(nil), z...), append([]float32(nil), z...)
				Add(p, sum, x, y)
				Mul(p, prod, x, y)
				Scale(p, scaled, 0.3, x)
				MulAdd(p, fma, x, y)
				Axpy(p, ax, 0.3, x)
				sq := SumSquares(p, x, make([]float64, SumSquaresScratch(n)))
				return [][]float32{sum, prod, scaled, fma, ax, {float32(sq)}}
			})
			want := make([][]float64, 6)
			want[5] = []float64{0}
			for i := range x {
				a, b, c := float64(x[i]), float64(y[i]), float64(z[i])
				for k, v := range []float64{a + b, a * b, float64(float32(0.3)) * a, c + a*b, c + float64(float32(0.3))*a} {
					want[k] = append(want[k], v)
				}
				want[5][0] += a * a
			}
			for k, name := range []string{"x+y", "xy", "ax", "z+xy", "z+ax", "Σx²"} {
				near(t, name, got[k], want[k], 2e-7)
			}
		}
	})
	mustPanic(t, "short dst", func() { Add(nil, make([]float32, 2), make([]float32, 3), make([]float32, 3)) })
	mustPanic(t, "short operand", func() { Add(nil, make([]float32, 3), make([]float32, 3), make([]float32, 2)) })
	mustPanic(t, "short exp", func() { Exp(nil, make([]float32, 2), make([]float32, 3)) })
}

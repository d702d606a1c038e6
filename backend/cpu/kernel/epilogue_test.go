package kernel

import (
	"fmt"
	"slices"
	"testing"
)

// steps are all of them, as functions of a whole product.
var steps = []struct {
	step Step
	f    func(z, o []float32)
}{
	{Keep, func(z, o []float32) {}},
	{ThenReLU, func(z, o []float32) { ReLU(nil, z, z) }},
	{ThenGELU, func(z, o []float32) { GELU(nil, z, z) }},
	{ThenSiLU, func(z, o []float32) { SiLU(nil, z, z) }},
	{ThenSoftplus, func(z, o []float32) { Softplus(nil, z, z) }},
	{ThenAdd, func(z, o []float32) { Add(nil, z, z, o) }},
	{ThenMul, func(z, o []float32) { Mul(nil, z, z, o) }},
	{ThenGate, func(z, o []float32) { SiLUGate(nil, z, z, o, make([]float32, SiLUGateScratch(nil))) }},
	{ThenReLUGrad, func(z, o []float32) { ReLUGrad(nil, z, o, z) }},
	{ThenGELUGrad, func(z, o []float32) { GELUGrad(nil, z, o, z) }},
	{ThenSiLUGrad, func(z, o []float32) { SiLUGrad(nil, z, o, z) }},
	{ThenSoftplusGrad, func(z, o []float32) { SoftplusGrad(nil, z, o, z) }},
}

// addBias adds bias [n] to rows of z.
func addBias(z, bias []float32) {
	for i := 0; i < len(z) && len(bias) > 0; i += len(bias) {
		Add(nil, z[i:i+len(bias)], z[i:i+len(bias)], bias)
	}
}

func TestEpiloguesEqualFunctionsOfTheWholeProduct(t *testing.T) {
	shapes := [][3]int{{1, 40, 9}, {3, 5, 0}, {7, 300, 20}, {40, 33, 300}, {130, 70, 520}}
	eachLevel(t, func(t *testing.T) {
		r := newSource(8)
		for _, s := range shapes {
			m, n, k := s[0], s[1], s[2]
			a, b, o, bias := r.slice(m*k, -1, 1), r.slice(k*n, -1, 1), r.slice(m*n, -2, 2), r.slice(n, -1, 1)
			packed := make([]float32, PanelsSize(n, k))
			PackPanels(nil, 1, n, k, b, true, packed)
			for _, then := range steps {
				for _, bs := range [][]float32{nil, bias} {
					z := make([]float32, m*n)
					Gemm(nil, m, n, k, dense(a, m, k, false), dense(b, k, n, true), dense(z, m, n, false), false, garbage(GemmScratch(nil, false, m, n, k)))
					addBias(z, bs)
					y := slices.Clone(z)
					then.f(y, o)
					for _, w := range []Matrix{dense(b, k, n, true), {Data: packed, Packed: true}} {
						if m == 1 && w.Packed {
							continue // one row is summed in another order when b is read in place
						}
						got := eachThreads(t, func(p *Pool) [][]float32 {
							y, z := garbage(m*n), garbage(m*n)
							Product(p, m, n, k, dense(a, m, k, false), w, y, Epilogue{bs, then.step, o, z}, garbage(GemmScratch(p, false, m, n, k)))
							return [][]float32{y, z}
						})
						what := fmt.Sprintf("%v step %d, bias %v, packed %v", s, then.step, bs != nil, w.Packed)
						equal(t, what+": y", got[0], y)
						equal(t, what+": z", got[1], z)
					}
				}
			}
		}
	})
}

func equal(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if i := slices.Compare(got, want); i != 0 {
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("%s: value %d is %v, want %v", what, i, got[i], want[i])
			}
		}
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
}

func TestGroupedProductsHaveTheBiasOfTheirGroup(t *testing.T) {
	cases := []struct {
		rows, n, k int
		offsets    []int64
	}{{3, 20, 7, []int64{0, 1, 1, 3}}, {40, 37, 33, []int64{2, 9, 30}}, {90, 300, 270, []int64{0, 60, 80}}}
	eachLevel(t, func(t *testing.T) {
		r := newSource(9)
		for _, c := range cases {
			e := len(c.offsets) - 1
			x, w, o, bias := r.slice(c.rows*c.k, -1, 1), r.slice(e*c.k*c.n, -1, 1), r.slice(c.rows*c.n, -1, 1), r.slice(e*c.n, -1, 1)
			for _, trans := range []bool{false, true} {
				packed := garbage(e * PanelsSize(c.n, c.k))
				PackPanels(nil, e, c.n, c.k, w, trans, packed)
				z := make([]float32, c.rows*c.n)
				GroupedGemm(nil, e, c.rows, c.n, c.k, x, c.offsets, w, trans, z, garbage(GroupedGemmScratch(nil, c.rows, c.n, c.k)))
				for g := range e {
					addBias(z[int(c.offsets[g])*c.n:int(c.offsets[g+1])*c.n], bias[g*c.n:(g+1)*c.n])
				}
				y := slices.Clone(z)
				SiLUGrad(nil, y, o, y)
				for _, b := range []Matrix{{Data: w, Trans: trans}, {Data: packed, Packed: true}} {
					if b.Packed && c.rows <= fewRows {
						continue
					}
					got := eachThreads(t, func(p *Pool) [][]float32 {
						y, z := garbage(c.rows*c.n), garbage(c.rows*c.n)
						GroupedProduct(p, e, c.rows, c.n, c.k, x, c.offsets, b, y, Epilogue{bias, ThenSiLUGrad, o, z}, garbage(GroupedGemmScratch(p, c.rows, c.n, c.k)))
						return [][]float32{y, z}
					})
					equal(t, "y", got[0], y)
					equal(t, "z", got[1], z)
				}
			}
		}
	})
}

func TestEpiloguesOfBFloat16Products(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := newSource(10)
		for _, s := range [][3]int{{7, 40, 9}, {30, 300, 20}, {40, 33, 600}} {
			m, n, k := s[0], s[1], s[2]
			a, b, bias := make([]uint16, m*k), make([]uint16, k*n), r.slice(n, -1, 1)
			active.narrow(a, r.slice(m*k, -1, 1))
			active.narrow(b, r.slice(k*n, -1, 1))
			x, w := MatrixBF16{Data: a, Stride: k}, MatrixBF16{Data: b, Stride: n}
			y, z := make([]float32, m*n), garbage(m*n)
			GemmBF16(nil, m, n, k, x, w, dense(y, m, n, false), false, garbage(GemmBF16Scratch(nil, m, n, k)))
			addBias(y, bias)
			GELU(nil, y, y)
			ProductBF16(nil, m, n, k, x, w, z, Epilogue{Bias: bias, Step: ThenGELU}, garbage(GemmBF16Scratch(nil, m, n, k)))
			equal(t, fmt.Sprint(s), z, y)
		}
	})
}

package blocks

import (
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/moezoo/moezoo/graph"
)

// hippoSystem is the normal part of HiPPO-LegS of n states, diagonalised: all eigenvalues have
// the real part −½; here are their imaginary parts, ascending, and V, whose columns are the
// eigenvectors.
func hippoSystem(n int) (imag []float64, v [][]complex128, err error) {
	// The normal part plus ½ is a skew matrix K; −iK is Hermitian, and as a real matrix
	// [[0, K], [−K, 0]] on (Re v, Im v), which has every eigenvalue twice.
	m := mat.NewSymDense(2*n, nil)
	for i := range n {
		for j := range i {
			k := -0.5 * math.Sqrt(float64((2*i+1)*(2*j+1))) // K[i][j]
			m.SetSym(i, n+j, k)
			m.SetSym(j, n+i, -k)
		}
	}
	var e mat.EigenSym
	if !e.Factorize(m, true) {
		return nil, nil, fmt.Errorf("the HiPPO matrix of %d states cannot be diagonalised", n)
	}
	var vectors mat.Dense
	e.VectorsTo(&vectors)
	values := e.Values(nil)
	v = make([][]complex128, n)
	for i := range v {
		v[i] = make([]complex128, n)
	}
	for k := range n {
		imag = append(imag, values[2*k])
		norm := 0.0
		for i := range n {
			v[i][k] = complex(vectors.At(i, 2*k), vectors.At(n+i, 2*k))
			norm += real(v[i][k])*real(v[i][k]) + imag2(v[i][k])
		}
		for i := range n {
			v[i][k] *= complex(1/math.Sqrt(norm), 0)
		}
	}
	return imag, v, nil
}

func imag2(z complex128) float64 { return imag(z) * imag(z) }

// hippo is the first values of a part of an S5 system: "hippo_im" the imaginary parts [P],
// "hippo_b" V⁻¹·B₀ [P, D, 2] and "hippo_c" C₀·V [D, P, 2], with B₀ and C₀ normal of variance
// 1 over all states. Blocks are copies of a smaller system; without full, the half with
// negative imaginary parts is kept.
func hippo(p *graph.Param, r *rand.Rand) (func(i int) float64, error) {
	a := p.Init.Args
	states, blocks := int(a["states"]), max(int(a["blocks"]), 1)
	n := states / blocks
	imags, v, err := hippoSystem(n)
	if err != nil {
		return nil, err
	}
	kept := n
	if a["full"] == 0 {
		kept = n / 2
	}
	std := math.Sqrt(1 / float64(states))
	draw := func() complex128 { return complex(r.NormFloat64()*std, 0) }
	shape, _ := p.Value.Shape().Ints()
	var out []complex128 // the elements, or pairs, in order
	switch p.Init.Scheme {
	case "hippo_im":
		for i := range blocks * kept {
			out = append(out, complex(imags[i%kept], 0))
		}
		return func(i int) float64 { return real(out[i]) }, nil
	case "hippo_b":
		width := shape[1]
		out = make([]complex128, blocks*kept*width)
		for b := range blocks {
			for i := range n {
				for d := range width {
					z := draw()
					for k := range kept {
						out[(b*kept+k)*width+d] += cmplx.Conj(v[i][k]) * z
					}
				}
			}
		}
	default:
		width := shape[0]
		out = make([]complex128, width*blocks*kept)
		for d := range width {
			for b := range blocks {
				for i := range n {
					z := draw() + draw()*1i
					for k := range kept {
						out[(d*blocks+b)*kept+k] += z * v[i][k]
					}
				}
			}
		}
	}
	return func(i int) float64 {
		if i%2 == 0 {
			return real(out[i/2])
		}
		return imag(out[i/2])
	}, nil
}

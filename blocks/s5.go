package blocks

import (
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// S5 is the simplified structured state-space mixer of arXiv 2208.04933, [B, L, D] →
// [B, L, D]: one diagonal system of P complex states that reads and writes all channels, and
// the layer's activation. With conjugate pairs implied half of the states are kept.
type S5 struct {
	DModel   int64
	DState   int64 // states, P of the paper, conjugates included
	Blocks   int64 // how many copies of a smaller system the states begin as
	Full     bool  // keep all states instead of one of each conjugate pair
	Bilinear bool  // discretise by the bilinear rule instead of zero-order hold
	Clip     bool  // keep real parts at most −1e-4, so that nothing grows
	Gate     S5Gate
	DtMin    float64 // range of initial step sizes
	DtMax    float64
}

// S5Gate is what follows the system's output y, with g = gelu(y).
type S5Gate string

// Gates: S5Full W₁g · σ(W₂g), S5Half1 g · σ(Wg), S5Half2 y · σ(Wg), S5Gelu g.
const (
	S5Full  S5Gate = "full"
	S5Half1 S5Gate = "half1"
	S5Half2 S5Gate = "half2"
	S5Gelu  S5Gate = "gelu"
)

// Forward is the system and its gate.
func (m S5) Forward(c *Context, x Value) Value {
	y := m.System(c, x)
	g := op.GeluTanh(y) // as the authors compute it
	gate := func(name string) Value { return op.Sigmoid(c.Linear(name, g, m.DModel, m.DModel, true)) }
	switch m.Gate {
	case S5Full:
		return op.Mul(c.Linear("out1", g, m.DModel, m.DModel, true), gate("out2"))
	case S5Half1:
		return op.Mul(g, gate("out2"))
	case S5Half2:
		return op.Mul(y, gate("out2"))
	}
	return g
}

// System is h[t] = Λ̄·h[t−1] + B̄·u[t], y = Re(C·h) + D·u, [B, L, D] → [B, L, D]. State: h as
// the answers to the real and to the imaginary part of B̄u, [B, 2P, 1, 2].
func (m S5) System(c *Context, x Value) Value {
	u, p := c.keep(x), m.kept()
	factor, in := m.discrete(c)                                                            // [P], [P, D]
	bu := op.MatMul(u, op.Concat(1, op.Transpose(in.re, 1, 0), op.Transpose(in.im, 1, 0))) // [B, L, 2P]
	a := op.Unsqueeze(op.Concat(0, factor.stacked(), factor.stacked()), 1)                 // [2P, 1, 2]
	h := c.State("ssm", 2*p, 1, 2)
	y, h2 := op.DiagonalScan(bu, a, m.parts(c, 2*p), h, c.First) // [B, L, 2, 2P]
	c.SetState(h, h2)
	answers := op.Split(op.Reshape(y, 0, 0, 4*p), -1, p, p, p, p)
	re, im := answers[:2], answers[2:]                                  // of the answers to Re B̄u and to Im B̄u
	states := op.Concat(-1, op.Sub(re[0], im[1]), op.Add(im[0], re[1])) // of h itself, [B, L, 2P]
	return op.Add(op.MatMul(states, m.out(c)), op.Mul(u, c.G.Param("D", graph.Init{Scheme: "normal", Args: map[string]float64{"std": 1}}, false, m.DModel)))
}

// kept is the number of states.
func (m S5) kept() int64 {
	if m.Full {
		return m.DState
	}
	return m.DState / 2
}

// parts are the weights that make the scan answer real and imaginary parts, [2, n, 1, 2].
func (m S5) parts(c *Context, n int64) Value {
	w := make([]float32, 4*n)
	for i := range n {
		w[2*i], w[2*(n+i)+1] = 1, -1 // Re h, and Re(−i·h) = Im h
	}
	return c.G.Const("parts", graph.Floats([]int{2, int(n), 1, 2}, w...))
}

// discrete is Λ̄ [P] and B̄ [P, D].
func (m S5) discrete(c *Context) (factor, in pair) {
	p := m.kept()
	lambda := pair{c.G.Param("Lambda_re", graph.Init{Scheme: "constant", Args: map[string]float64{"value": -0.5}}, false, p), c.G.Param("Lambda_im", m.hippo("hippo_im"), false, p)}
	if m.Clip {
		lambda.re = op.Clip(lambda.re, nil, c.G.Float(-1e-4))
	}
	b := pairOf(c.G.Param("B", m.hippo("hippo_b"), false, p, m.DModel, 2))
	dt := op.Exp(c.G.Param("log_step", logUniform(m.DtMin, m.DtMax), false, p))
	z := lambda.scaled(dt)
	var step pair // of the input
	if m.Bilinear {
		one := c.G.Float(1)
		below := pair{op.Sub(one, op.Scale(z.re, 0.5)), op.Neg(op.Scale(z.im, 0.5))}
		factor = pair{op.Add(one, op.Scale(z.re, 0.5)), op.Scale(z.im, 0.5)}.over(below)
		step = pair{dt, op.Scale(dt, 0)}.over(below)
	} else {
		factor, step = z.exp(), z.expm1().over(lambda)
	}
	return factor, b.times(pair{op.Unsqueeze(step.re, 1), op.Unsqueeze(step.im, 1)})
}

// out is the map from real and imaginary parts of the states to the output, [2P, D].
func (m S5) out(c *Context) Value {
	w := pairOf(c.G.Param("C", m.hippo("hippo_c"), false, m.DModel, m.kept(), 2))
	twice := 2.0 // for the conjugate that is left out
	if m.Full {
		twice = 1
	}
	return op.Transpose(op.Concat(1, op.Scale(w.re, twice), op.Scale(w.im, -twice)), 1, 0)
}

// hippo names a part of the HiPPO-LegS system that the states begin as.
func (m S5) hippo(part string) graph.Init {
	full := 0.0
	if m.Full {
		full = 1
	}
	return graph.Init{Scheme: part, Args: map[string]float64{"states": float64(m.DState), "blocks": float64(m.Blocks), "full": full}}
}

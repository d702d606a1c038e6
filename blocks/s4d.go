package blocks

import (
	"math"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// S4D is the diagonal structured state-space mixer of arXiv 2206.11893, [B, L, D] →
// [B, L, D]: every channel is a filter of its own, of M modes that do not change in time.
// With conjugate pairs implied M is N/2; real modes are N.
type S4D struct {
	DModel int64
	DState int64 // N
	Modes  S4DModes
	DtMin  float64 // range of initial step sizes
	DtMax  float64
}

// S4DModes says how the modes A_n of a channel begin.
type S4DModes string

// Modes: S4DLin −½ + iπn, S4DInv −½ + i·(N/π)·(N/(2n+1) − 1), S4DReal −(n+1).
const (
	S4DLin  S4DModes = "lin"
	S4DInv  S4DModes = "inv"
	S4DReal S4DModes = "real"
)

// Forward filters every channel and mixes the channels of each step. State: the modes
// [B, D, M, 2], real and imaginary parts.
func (m S4D) Forward(c *Context, x Value) Value {
	u := c.keep(x)
	a, w := m.filter(c)
	h := c.State("ssm", m.DModel, m.modes(), 2)
	y, h2 := op.DiagonalScan(u, a.stacked(), op.Unsqueeze(w.stacked(), 0), h, c.First)
	c.SetState(h, h2)
	skip := c.G.Param("D", graph.Init{Scheme: "normal", Args: map[string]float64{"std": 1}}, false, m.DModel)
	y = op.Gelu(op.Add(op.Reshape(y, 0, 0, m.DModel), op.Mul(u, skip)))
	halves := op.Split(c.Linear("output_linear", y, m.DModel, 2*m.DModel, true), -1, m.DModel, m.DModel)
	return op.Mul(halves[0], op.Sigmoid(halves[1]))
}

func (m S4D) modes() int64 {
	if m.Modes == S4DReal {
		return m.DState
	}
	return m.DState / 2
}

// filter is the factor Ā = exp(ΔA) of each mode per step and its weight in the output,
// C·(Ā − 1)/A, twice for the conjugate that is left out; [D, M] each.
func (m S4D) filter(c *Context) (a, w pair) {
	n := m.modes()
	dt := op.Exp(c.G.Param("log_dt", logUniform(m.DtMin, m.DtMax), false, m.DModel, 1))
	decay := graph.Init{Scheme: "constant", Args: map[string]float64{"value": math.Log(0.5)}}
	if m.Modes == S4DReal {
		decay = graph.Init{Scheme: "a_log"}
	}
	poles := pair{re: op.Neg(op.Exp(c.G.Param("log_A_real", decay, false, m.DModel, n)))}
	normal := graph.Init{Scheme: "normal", Args: map[string]float64{"std": math.Sqrt(0.5)}}
	var out pair
	if m.Modes == S4DReal {
		zero := c.G.Const("zero", graph.Floats([]int{int(m.DModel), int(n)}, make([]float32, m.DModel*n)...))
		poles.im, out = zero, pair{c.G.Param("C", normal, false, m.DModel, n), zero}
	} else {
		spread := graph.Init{Scheme: "s4d_" + string(m.Modes)}
		poles.im = c.G.Param("A_imag", spread, false, m.DModel, n)
		out = pairOf(c.G.Param("C", normal, false, m.DModel, n, 2))
		out = pair{op.Scale(out.re, 2), op.Scale(out.im, 2)}
	}
	z := poles.scaled(dt)
	return z.exp(), out.times(z.expm1().over(poles))
}

// logUniform is the logarithm of what lies between two bounds.
func logUniform(low, high float64) graph.Init {
	return graph.Init{Scheme: "log_uniform", Args: map[string]float64{"min": low, "max": high}}
}

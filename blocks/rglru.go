package blocks

import (
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// RGLRU is the recurrent block of Griffin and RecurrentGemma (arXiv 2402.19427), [B, L, D] →
// [B, L, D]: a convolution and a diagonal recurrence whose decay and input are gated, times
// a GELU branch.
type RGLRU struct {
	DModel int64
	Width  int64 // W of the recurrence
	Heads  int64 // blocks on the diagonal of the gates' matrices; divides Width
	DConv  int64 // K
}

// Forward is figure 2 (c) and equations 1 to 4 of the paper. State: the last K−1 inputs of
// the convolution [B, W, K−1] and h [B, W]. At the first position of a document the input
// enters h whole.
func (m RGLRU) Forward(c *Context, x Value) Value {
	y := op.GeluTanh(c.Linear("linear_y", x, m.DModel, m.Width, true))

	past := c.State("conv", m.Width, m.DConv-1)
	w, bias := c.G.Param("conv_1d.weight", convInit(m.DConv), true, m.Width, m.DConv), c.G.Param("conv_1d.bias", graph.Init{Scheme: "zeros"}, false, m.Width)
	u, next := op.CausalConv(c.keep(c.Linear("linear_x", x, m.DModel, m.Width, true)), w, bias, past, c.First)
	c.SetState(past, next)

	state := c.State("ssm", m.Width)
	h, state2 := op.RGLRU(c.keep(op.Mul(u, m.gate(c, "input_gate", u))), m.decay(c, u), c.place(), state)
	c.SetState(state, state2)

	out := c.G.Param("linear_out.weight", residualInit(m.Width), true, m.Width, m.DModel)
	return op.Linear(op.Mul(h, y), out, c.Bias("linear_out", true, m.DModel))
}

// decay is the logarithm of a, −8·r ⊙ softplus(Λ), [B, L, W].
func (m RGLRU) decay(c *Context, u Value) Value {
	const sharpness = 8 // c of the paper
	lambda := c.G.Param("recurrent_param", graph.Init{Scheme: "rglru_lambda", Args: map[string]float64{"min": 0.9, "max": 0.999}}, false, m.Width)
	return op.Mul(m.gate(c, "recurrent_gate", u), op.Scale(op.Softplus(lambda), -sharpness))
}

// gate is σ(u·W + b) with a block-diagonal W, [B, L, W].
func (m RGLRU) gate(c *Context, name string, u Value) Value {
	width := m.Width / m.Heads
	w := c.G.Param(name+".weight", linearInit(width), true, m.Heads, width, width)
	b := c.G.Param(name+".bias", graph.Init{Scheme: "zeros"}, false, m.Heads, 1, width)
	heads := op.Transpose(op.Reshape(u, -1, m.Heads, width), 1, 0, 2) // [H, T, W/H]
	y := op.Transpose(op.Add(op.MatMul(heads, w), b), 1, 0, 2)
	return op.Sigmoid(op.ReshapeLike(op.Reshape(y, -1, m.Width), u))
}

// place is the position of each token in its document, int64 [B, L].
func (c *Context) place() Value {
	at := op.ReshapeTo(c.positions(), op.ShapeOf(c.TokenIDs))
	if c.First != nil {
		at = op.Sub(at, c.First)
	}
	return at
}

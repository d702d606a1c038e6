package blocks

import (
	"math"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// GatedDeltaNet is the linear attention of arXiv 2412.06464 as Qwen3-Next has it, [B, L, D] →
// [B, L, D]: a matrix per head that forgets, and learns each value under its key by the
// delta rule.
type GatedDeltaNet struct {
	DModel     int64
	KeyHeads   int64 // Hk
	ValueHeads int64 // Hv, a multiple of Hk
	KeyDim     int64 // Dk
	ValueDim   int64 // Dv
	DConv      int64 // K
	Eps        float64
}

// Forward convolves q, k and v together, normalises q and k to length 1, runs the gated
// delta rule, and normalises and gates what it answers. State: the last K−1 inputs of the
// convolution [B, 2·Hk·Dk + Hv·Dv, K−1] and S [B, Hv, Dk, Dv].
func (m GatedDeltaNet) Forward(c *Context, x Value) Value {
	mixed, z, b, a := m.project(c, x)
	keys, values := m.KeyHeads*m.KeyDim, m.ValueHeads*m.ValueDim

	past := c.State("conv", 2*keys+values, m.DConv-1)
	w := c.G.Param("conv1d.weight", convInit(m.DConv), true, 2*keys+values, m.DConv)
	mixed, next := op.CausalConv(c.keep(mixed), w, nil, past, c.First)
	c.SetState(past, next)
	parts := op.Split(op.SiLU(mixed), -1, keys, keys, values)
	q := op.Scale(m.unit(parts[0]), 1/math.Sqrt(float64(m.KeyDim)))
	k, v := m.unit(parts[1]), op.Reshape(parts[2], 0, 0, m.ValueHeads, m.ValueDim)

	s := c.State("ssm", m.ValueHeads, m.KeyDim, m.ValueDim)
	o, s2 := op.GatedDelta(q, k, v, c.keep(m.decay(c, a)), c.keep(op.Sigmoid(b)), s, c.First)
	c.SetState(s, s2)

	o = Norm{Kind: RMSNorm, Eps: m.Eps}.Forward(c, "norm", o, m.ValueDim) // of each head
	o = op.Mul(op.Reshape(o, 0, 0, values), op.SiLU(z))
	return op.Linear(o, c.G.Param("out_proj.weight", residualInit(values), true, values, m.DModel), nil)
}

// project makes, of two products whose columns are grouped by key head, q, k and v side by
// side [B, L, 2·Hk·Dk + Hv·Dv], the gate z [B, L, Hv·Dv], and b and a [B, L, Hv].
func (m GatedDeltaNet) project(c *Context, x Value) (mixed, z, b, a Value) {
	each := m.ValueHeads / m.KeyHeads // value heads of a key head
	grouped := func(name string, widths ...int64) []Value {
		sum := int64(0)
		for _, w := range widths {
			sum += w
		}
		parts := op.Split(op.Reshape(c.Linear(name, x, m.DModel, m.KeyHeads*sum, false), 0, 0, m.KeyHeads, sum), -1, widths...)
		out := make([]Value, len(parts))
		for i, p := range parts {
			out[i] = op.Reshape(p, 0, 0, m.KeyHeads*widths[i])
		}
		return out
	}
	qkvz := grouped("in_proj_qkvz", m.KeyDim, m.KeyDim, each*m.ValueDim, each*m.ValueDim)
	ba := grouped("in_proj_ba", each, each)
	return op.Concat(2, qkvz[:3]...), qkvz[3], ba[0], ba[1]
}

// unit is each head of x [B, L, Hk·Dk] at length 1, [B, L, Hk, Dk].
func (m GatedDeltaNet) unit(x Value) Value {
	const eps = 1e-6 // added to the squared length
	width := float64(m.KeyDim)
	return op.Scale(op.RMSNorm(op.Reshape(x, 0, 0, m.KeyHeads, m.KeyDim), nil, nil, eps/width), 1/math.Sqrt(width))
}

// decay is the logarithm of what the state keeps, −e^A_log · softplus(a + dt_bias), [B, L, Hv].
func (m GatedDeltaNet) decay(c *Context, a Value) Value {
	rate := op.Neg(op.Exp(c.G.Param("A_log", graph.Init{Scheme: "a_log_uniform", Args: map[string]float64{"min": 1, "max": 16}}, false, m.ValueHeads)))
	return op.Mul(op.Softplus(op.Add(a, c.G.Param("dt_bias", dtBiasInit(), false, m.ValueHeads))), rate)
}

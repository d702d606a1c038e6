package blocks

import (
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// Mamba is the selective state-space mixer of arXiv 2312.00752, [B, L, D] → [B, L, D].
type Mamba struct {
	DModel   int64
	Inner    int64 // Di, expand·D
	DState   int64 // N
	DConv    int64 // K
	DtRank   int64 // R
	Bias     bool  // of both projections
	ConvBias bool
	Mixture  *Mixture // experts in place of the projections "conv", "gate", "select" and "out"
	// InnerNorm normalises Δ's low-rank input, B and C; "" does not.
	InnerNorm InnerNorm
	NormEps   float64 // of InnerNorm
}

// Routers are the routers of the mixture.
func (m Mamba) Routers() []*plugins.Function { return m.Mixture.Routers() }

// InnerNorm is an RMSNorm of what is selected by the input.
type InnerNorm string

// Inner norms: with a learned gain (Jamba, arXiv 2403.19887), and without one
// (Falcon-Mamba, arXiv 2410.05355).
const (
	LearnedInnerNorm InnerNorm = "learned"
	FixedInnerNorm   InnerNorm = "fixed"
)

// Forward is equation 2a with the selection of algorithm 2. State: the last K−1 inputs of
// the convolution [B, Di, K−1] and h [B, Di, N].
func (m Mamba) Forward(c *Context, x Value) Value {
	mix := m.Mixture.begin(c, x, m.DModel)
	u, z := m.inputs(c, mix, x) // [B, L, Di] each

	past := c.State("conv", m.Inner, m.DConv-1)
	w := c.G.Param("conv1d.weight", convInit(m.DConv), true, m.Inner, m.DConv)
	u, next := op.CausalConv(c.keep(u), w, c.convBias(m.ConvBias, m.Inner, m.DConv), past, c.First)
	c.SetState(past, next)
	u = op.SiLU(u)

	dt, b, cc := m.selection(c, mix, u)
	h := c.State("ssm", m.Inner, m.DState)
	y, h2 := op.SelectiveScan(u, c.keep(dt), m.a(c), b, cc, m.d(c), h, c.First)
	c.SetState(h, h2)

	y = op.Mul(y, op.SiLU(z))
	return mix.project(c, "out", y, func() Value {
		return op.Linear(y, c.G.Param("out_proj.weight", residualInit(m.Inner), true, m.Inner, m.DModel), c.Bias("out_proj", m.Bias, m.DModel))
	})
}

// inputs are the convolution's input and the gate, of one matrix unless one is a mixture.
func (m Mamba) inputs(c *Context, mix mixing, x Value) (u, z Value) {
	if !mix.has("conv", "gate") {
		halves := op.Split(c.Linear("in_proj", x, m.DModel, 2*m.Inner, m.Bias), -1, m.Inner, m.Inner)
		return halves[0], halves[1]
	}
	half := func(site string) Value {
		return mix.project(c, site, x, func() Value { return c.Linear(site+"_proj", x, m.DModel, m.Inner, m.Bias) })
	}
	return half("conv"), half("gate")
}

// selection makes the step sizes Δ = softplus(W·δ + bias) [B, L, Di] and the input and
// output maps B and C [B, L, 1, N] of the input.
func (m Mamba) selection(c *Context, mix mixing, u Value) (dt, b, cc Value) {
	s := mix.project(c, "select", u, func() Value { return c.Linear("x_proj", u, m.Inner, m.DtRank+2*m.DState, false) })
	parts := op.Split(s, -1, m.DtRank, m.DState, m.DState)
	for i, name := range []string{"dt", "b", "c"} {
		parts[i] = m.normalise(c, name, parts[i])
	}
	w := c.G.Param("dt_proj.weight", dtProjInit(m.DtRank), true, m.DtRank, m.Inner)
	bias := c.G.Param("dt_proj.bias", dtBiasInit(), false, m.Inner)
	dt = op.Softplus(op.Linear(parts[0], w, bias))
	return dt, op.Unsqueeze(parts[1], 2), op.Unsqueeze(parts[2], 2)
}

// normalise applies the inner norm to x [B, L, n].
func (m Mamba) normalise(c *Context, name string, x Value) Value {
	var gain Value
	switch m.InnerNorm {
	case "":
		return x
	case LearnedInnerNorm:
		n, _ := x.Dim(-1).Int()
		gain = c.G.Param(name+"_layernorm.weight", graph.Init{Scheme: "ones"}, false, n)
	}
	return op.RMSNorm(x, gain, nil, m.NormEps)
}

// a is A = −exp(A_log) [Di, N].
func (m Mamba) a(c *Context) Value {
	return op.Neg(op.Exp(c.G.Param("A_log", graph.Init{Scheme: "a_log"}, false, m.Inner, m.DState)))
}

// d is the skip weight of each channel [Di].
func (m Mamba) d(c *Context) Value {
	return c.G.Param("D", graph.Init{Scheme: "ones"}, false, m.Inner)
}

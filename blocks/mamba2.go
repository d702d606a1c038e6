package blocks

import (
	"math"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// Mamba2 is the state-space duality mixer of arXiv 2405.21060, [B, L, D] → [B, L, D].
// Heads of P channels each decay by one factor per step; a group of heads shares B and C.
//
// The module of state-spaces/mamba (commit 03a38fb) can also give part of its inner width to a
// gated feed-forward path beside the state space, d_ssm < expand·D. It is not here: no published
// language model uses it, and transformers' classes (5.24) project to z, x, B, C and Δ alone.
type Mamba2 struct {
	DModel   int64
	Heads    int64 // H
	HeadDim  int64 // P; the inner width Di is H·P
	Groups   int64 // G, divides Heads
	DState   int64 // N
	DConv    int64 // K
	Gate     GatedNorm
	Bias     bool // of both projections
	ConvBias bool
	WideSkip bool     // a skip weight for each channel instead of each head
	DtMin    float64  // step sizes are limited to DtMin … DtMax, the model's own limit and not
	DtMax    float64  // the range of their initial values; 0 and 0 for none
	Mixture  *Mixture // experts in place of the projections "in" and "out"
}

// Routers are the routers of the mixture.
func (m Mamba2) Routers() []*plugins.Function { return m.Mixture.Routers() }

// Forward is the block of figure 6, on the left. State: the last K−1 inputs of the
// convolution [B, Di+2GN, K−1] and h [B, H, P, N].
func (m Mamba2) Forward(c *Context, x Value) Value {
	inner, bc := m.Heads*m.HeadDim, m.Groups*m.DState
	mix := m.Mixture.begin(c, x, m.DModel)
	zxbcdt := mix.project(c, "in", x, func() Value { return c.Linear("in_proj", x, m.DModel, 2*inner+2*bc+m.Heads, m.Bias) })
	parts := op.Split(zxbcdt, -1, inner, inner+2*bc, m.Heads)
	z, xbc, dt := parts[0], parts[1], parts[2] // [B, L, Di], [B, L, Di+2GN], [B, L, H]

	past := c.State("conv", inner+2*bc, m.DConv-1)
	w := c.G.Param("conv1d.weight", convInit(m.DConv), true, inner+2*bc, m.DConv)
	xbc, next := op.CausalConv(c.keep(xbc), w, c.convBias(m.ConvBias, inner+2*bc, m.DConv), past, c.First)
	c.SetState(past, next)
	parts = op.Split(op.SiLU(xbc), -1, inner, bc, bc)
	u := op.Reshape(parts[0], 0, 0, m.Heads, m.HeadDim) // [B, L, H, P]
	b := op.Reshape(parts[1], 0, 0, m.Groups, m.DState) // [B, L, G, N]
	cc := op.Reshape(parts[2], 0, 0, m.Groups, m.DState)

	dt = c.keep(m.steps(c, dt)) // [B, L, H]
	h := c.State("ssm", m.Heads, m.HeadDim, m.DState)
	y, h2 := op.SSD(op.Mul(u, op.Unsqueeze(dt, 3)), op.Mul(dt, m.a(c)), b, cc, h, c.First)
	c.SetState(h, h2)
	y = op.Add(y, op.Mul(u, m.d(c)))

	y = m.Gate.Forward(c, op.Reshape(y, 0, 0, inner), z, inner)
	return mix.project(c, "out", y, func() Value {
		return op.Linear(y, c.G.Param("out_proj.weight", residualInit(inner), true, inner, m.DModel), c.Bias("out_proj", m.Bias, m.DModel))
	})
}

// steps are the step sizes Δ = softplus(dt + bias) within their limits.
func (m Mamba2) steps(c *Context, dt Value) Value {
	dt = op.Softplus(op.Add(dt, c.G.Param("dt_bias", dtBiasInit(), false, m.Heads)))
	if m.DtMin == 0 && m.DtMax == 0 {
		return dt
	}
	var high Value
	if !math.IsInf(m.DtMax, 1) {
		high = c.G.Float(m.DtMax)
	}
	return op.Clip(dt, c.G.Float(m.DtMin), high)
}

// a is A = −exp(A_log) [H].
func (m Mamba2) a(c *Context) Value {
	init := graph.Init{Scheme: "a_log_uniform", Args: map[string]float64{"min": 1, "max": 16}}
	return op.Neg(op.Exp(c.G.Param("A_log", init, false, m.Heads)))
}

// d is the skip weight, [H, 1] or [H, P].
func (m Mamba2) d(c *Context) Value {
	ones := graph.Init{Scheme: "ones"}
	if m.WideSkip {
		return op.Reshape(c.G.Param("D", ones, false, m.Heads*m.HeadDim), m.Heads, m.HeadDim)
	}
	return op.Unsqueeze(c.G.Param("D", ones, false, m.Heads), 1)
}

// GatedNorm gates a mixer's output y with z, both [B, L, D], and normalises it:
// RMSNorm(y · silu(z)), or RMSNorm(y) · silu(z) when NormFirst.
type GatedNorm struct {
	Groups    int64 // channels are normalised in so many groups of neighbours; 0: the gate alone
	NormFirst bool
	Eps       float64
}

// Forward is [B, L, D] → [B, L, D]; the gain [D] is called "norm.weight".
func (n GatedNorm) Forward(c *Context, y, z Value, d int64) Value {
	if n.Groups > 0 && n.NormFirst {
		return op.Mul(n.norm(c, y, d), op.SiLU(z))
	}
	y = op.Mul(y, op.SiLU(z))
	if n.Groups == 0 {
		return y
	}
	return n.norm(c, y, d)
}

func (n GatedNorm) norm(c *Context, y Value, d int64) Value {
	gain := c.G.Param("norm.weight", graph.Init{Scheme: "ones"}, false, d)
	if n.Groups == 1 {
		return op.RMSNorm(y, gain, nil, n.Eps)
	}
	parts := op.RMSNorm(op.Reshape(y, 0, 0, n.Groups, d/n.Groups), nil, nil, n.Eps)
	return op.Mul(op.Reshape(parts, 0, 0, d), gain)
}

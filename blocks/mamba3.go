package blocks

import (
	"math"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// Mamba3 is the state-space mixer of arXiv 2603.15569, [B, L, D] → [B, L, D]: it has no
// convolution; steps follow the trapezoidal rule, so that each also takes in the input of the
// step before, and B and C are rotated by angles that the input adds up. With Rank > 0 every
// step takes in and reads R inputs at once (MIMO).
type Mamba3 struct {
	DModel  int64
	Heads   int64 // H
	HeadDim int64 // P; the inner width Di is H·P
	Groups  int64 // G of B and C, divides Heads
	DState  int64 // N
	Angles  int64 // S, pairs of B and C that are rotated, at most N/2
	Rank    int64 // R; 0 for one input and output a step (SISO)
	OutNorm bool  // normalise each head's output before its gate
}

// mamba3Floor is the least decay rate, and mamba3Eps of all norms, as the authors have them.
const (
	mamba3Floor = 1e-4
	mamba3Eps   = 1e-5
)

// mamba3Step is what the input of every step selects.
type mamba3Step struct {
	decay  Value // ΔA, a logarithm [B, L, H]
	own    Value // λΔ, the weight of the step's own input
	before Value // of the input of the step before, (γ' + (1−λ)Δ)·e^ΔA with that step's own weight γ'
	theta  Value // angles so far [B, L, H, S]
}

// Forward is the block of figure 2. With U[t] the state before a step's own input,
//
//	U[t] = e^ΔA·U[t−1] + before·(v[t−1] ⊗ k[t−1]),   y[t] = U[t]·q[t] + own·(k[t]·q[t])·v[t]
//
// is the trapezoidal rule. State: h = U + own·(v ⊗ k) [B, H, P, N], and, as one column, the
// last step's rotated B of all heads and ranks, its input and its angles.
func (m Mamba3) Forward(c *Context, x Value) Value {
	r, inner, bc := m.ranks(), m.Heads*m.HeadDim, m.ranks()*m.Groups*m.DState
	sizes := []int64{inner, inner, bc, bc, m.Heads, m.Heads, m.Heads, m.Angles}
	width := int64(0)
	for _, n := range sizes {
		width += n
	}
	parts := op.Split(c.Linear("in_proj", x, m.DModel, width, false), -1, sizes...)
	z := op.Reshape(parts[0], 0, 0, m.Heads, 1, m.HeadDim)
	u := op.Reshape(c.keep(parts[1]), 0, 0, m.Heads, 1, m.HeadDim) // [B, L, H, 1, P]

	past := c.State("conv", r*m.Heads*m.DState+inner+m.Heads*m.Angles, 1)
	lastKey, lastInput, lastTheta := m.unpack(past)
	s := m.step(c, parts[4], parts[5], parts[6], parts[7], lastTheta)
	k := m.rotate(m.expand(c, "B", parts[2]), s.theta) // [B, L, H, R, N]
	q := m.rotate(m.expand(c, "C", parts[3]), s.theta)
	w := m.mimo(c)
	v := spread(u, w.x) // [B, L, H, R, P]

	h := c.State("ssm", m.Heads, m.HeadDim, m.DState)
	came := op.Mul(spread(earlier(u, lastInput), w.x), op.Unsqueeze(s.before, 3, 4))
	y, h2 := m.scan(c, came, earlier(k, lastKey), q, s.decay, h)
	mine := op.Mul(v, op.Unsqueeze(s.own, 3, 4))
	y = op.Add(y, op.MatMul(op.MatMul(q, op.Transpose(k, 0, 1, 2, 4, 3)), mine))
	m.remember(c, past, h, h2, mine, k, u, s.theta)

	y = op.Add(y, op.Mul(v, op.Unsqueeze(c.G.Param("D", graph.Init{Scheme: "ones"}, false, m.Heads), 1, 2)))
	y = joined(m.gate(c, y, spread(z, w.z)), w.o) // [B, L, H, P]
	return op.Linear(op.Reshape(y, 0, 0, inner), c.G.Param("out_proj.weight", residualInit(inner), true, inner, m.DModel), nil)
}

func (m Mamba3) ranks() int64 { return max(m.Rank, 1) }

// step is the selection: Δ = softplus, A = −max(f, 10⁻⁴) with f(u) = 1 + u above 0 and
// 1/(1 − u) below, λ = σ, and θ = Σ π·tanh(angle)·Δ.
func (m Mamba3) step(c *Context, dt, rate, trap, angle, lastTheta Value) (s mamba3Step) {
	g := c.G
	delta := c.keep(op.Softplus(op.Add(dt, g.Param("dt_bias", dtBiasInit(), false, m.Heads))))
	zero, one := g.Float(0), g.Float(1)
	f := op.Add(op.Max(rate, zero), op.Reciprocal(op.Sub(one, op.Min(rate, zero))))
	s.decay = op.Neg(op.Mul(delta, op.Max(f, g.Float(mamba3Floor))))
	s.own = op.Mul(op.Sigmoid(trap), delta)
	s.before = op.Mul(op.Add(earlier(s.own, nil), op.Sub(delta, s.own)), op.Exp(s.decay))
	if c.First != nil { // a document takes nothing in from the one before
		at := op.Range(g.Int64(0), op.Squeeze(op.Slice(op.ShapeOf(c.First), 0, 1, 2), 0), g.Int64(1))
		starts := op.Cast(op.Equal(c.First, at), graph.Float32)
		s.before = op.Mul(s.before, op.Unsqueeze(op.Sub(one, starts), 2))
	}
	turn := op.Mul(op.Unsqueeze(op.Scale(op.Tanh(angle), math.Pi), 2), op.Unsqueeze(delta, 3))
	theta := op.CumSum(turn, 1)
	if lastTheta != nil {
		theta = op.Add(theta, op.Unsqueeze(lastTheta, 1))
	}
	s.theta = op.Sub(theta, op.Scale(op.Floor(op.Scale(theta, 0.5/math.Pi)), 2*math.Pi))
	return s
}

// earlier is x [B, L, ...] moved one step behind, with last [B, ...] in front, or 0.
func earlier(x, last Value) Value {
	g := x.Graph()
	length := op.Slice(op.ShapeOf(x), 0, 1, 2)
	parts := op.SplitSizes(x, op.Concat(0, op.Sub(length, g.Int64s(1)), g.Int64s(1)), 1, 2)
	front := op.Scale(parts[1], 0)
	if last != nil {
		front = op.ReshapeLike(last, front)
	}
	return op.Concat(1, front, parts[0])
}

// expand is B or C [B, L, R·G·N], normalised, repeated for the heads of each group and with
// a bias of their own, [B, L, H, R, N].
func (m Mamba3) expand(c *Context, name string, x Value) Value {
	r := m.ranks()
	gain := c.G.Param(name+"_norm.weight", graph.Init{Scheme: "ones"}, false, m.DState)
	x = op.RMSNorm(op.Reshape(x, 0, 0, r, m.Groups, m.DState), gain, nil, mamba3Eps)
	x = op.Unsqueeze(op.Transpose(x, 0, 1, 3, 2, 4), 3) // [B, L, G, 1, R, N]
	bias := c.G.Param(name+"_bias", graph.Init{Scheme: "ones"}, false, m.Heads, r, m.DState)
	x = op.Add(x, op.Reshape(bias, m.Groups, m.Heads/m.Groups, r, m.DState))
	return op.Reshape(x, 0, 0, m.Heads, r, m.DState)
}

// rotate turns pairs of x [B, L, H, R, N] by theta [B, L, H, S]: neighbours (2i, 2i+1), or
// with ranks (i, i + N/2).
func (m Mamba3) rotate(x, theta Value) Value {
	if m.Angles == 0 {
		return x
	}
	r, s, half := m.ranks(), m.Angles, m.DState/2
	turn := pair{op.Unsqueeze(op.Cos(theta), 3), op.Unsqueeze(op.Sin(theta), 3)} // [B, L, H, 1, S]
	if m.Rank == 0 {
		parts := op.Split(x, -1, 2*s, m.DState-2*s)
		turned := pairOf(op.Reshape(parts[0], 0, 0, 0, r, s, 2)).times(turn)
		return op.Concat(-1, op.Reshape(turned.stacked(), 0, 0, 0, r, 2*s), parts[1])
	}
	parts := op.Split(x, -1, s, half-s, s, m.DState-half-s)
	turned := pair{parts[0], parts[2]}.times(turn)
	return op.Concat(-1, turned.re, parts[1], turned.im, parts[3])
}

// ranks3 are the weights [H, R, P] by which heads meet the ranks; nil without ranks.
type ranks3 struct{ x, z, o Value }

func (m Mamba3) mimo(c *Context) ranks3 {
	if m.Rank == 0 {
		return ranks3{}
	}
	w := func(name string, value float64) Value {
		return c.G.Param(name, graph.Init{Scheme: "constant", Args: map[string]float64{"value": value}}, true, m.Heads, m.Rank, m.HeadDim)
	}
	return ranks3{w("mimo_x", 1/float64(m.Rank)), w("mimo_z", 1), w("mimo_o", 1/float64(m.Rank))}
}

// spread is x [..., H, 1, P] for every rank, [..., H, R, P].
func spread(x, w Value) Value {
	if w == nil {
		return x
	}
	return op.Mul(x, w)
}

// joined is the sum of y [B, L, H, R, P] over the ranks, [B, L, H, P].
func joined(y, w Value) Value {
	if w == nil {
		return op.Squeeze(y, 3)
	}
	return op.ReduceSum(op.Mul(y, w), []int64{3}, false)
}

// gate is y·silu(z), with y normalised before where the model says so; [B, L, H, R, P].
func (m Mamba3) gate(c *Context, y, z Value) Value {
	if m.OutNorm {
		gain := c.G.Param("norm.weight", graph.Init{Scheme: "ones"}, false, m.Heads*m.HeadDim)
		y = op.Mul(op.RMSNorm(y, nil, nil, mamba3Eps), op.Reshape(gain, m.Heads, 1, m.HeadDim))
	}
	return op.Mul(y, op.SiLU(z))
}

// scan is U over steps of 2R−1 parts: the state decays in the first, takes in one rank in each
// of the first R, and is read by one in each of the last R.
func (m Mamba3) scan(c *Context, v, k, q, decay, past Value) (y, state Value) {
	r := m.ranks()
	parts, first := 2*r-1, c.First
	if parts > 1 && first != nil {
		first = op.Expand(op.Unsqueeze(op.Mul(first, c.G.Int64(parts)), 2), c.G.Int64s(1, 1, parts))
		first = op.Reshape(first, 0, -1)
	}
	decay = op.Squeeze(lines(op.Unsqueeze(decay, 3, 4), parts-1, false), 3)
	y, state = op.SSD(lines(v, r-1, false), decay, lines(k, r-1, false), lines(q, r-1, true), past, first)
	y = op.Reshape(y, 0, -1, parts, m.Heads, m.HeadDim)
	if parts > 1 {
		y = op.Split(y, 2, r-1, r)[1]
	}
	return op.Transpose(y, 0, 1, 3, 2, 4), state
}

// lines is x [B, L, H, n, w] as [B, L·(n+empty), H, w], with so many empty parts of a step in
// front of the n, or behind.
func lines(x Value, empty int64, front bool) Value {
	heads, width := x.Dim(2), x.Dim(4)
	if empty > 0 {
		pads := make([]int64, 10) // before each axis, then behind
		pads[8] = empty
		if front {
			pads[3], pads[8] = empty, 0
		}
		x = op.Pad(x, nil, pads...)
	}
	h, _ := heads.Int()
	w, _ := width.Int()
	return op.Reshape(op.Transpose(x, 0, 1, 3, 2, 4), 0, -1, h, w)
}

// unpack takes the last key [B, H·R·N], input [B, H·P] and angles [B, H, S] out of the
// state's column; nil where sequences begin anew.
func (m Mamba3) unpack(past Value) (key, input, theta Value) {
	if past == nil {
		return nil, nil, nil
	}
	keys, inputs, angles := m.ranks()*m.Heads*m.DState, m.Heads*m.HeadDim, m.Heads*m.Angles
	parts := op.Split(op.Squeeze(past, 2), 1, keys, inputs, angles)
	return parts[0], parts[1], op.Reshape(parts[2], 0, m.Heads, m.Angles)
}

// remember sets both states behind the last step.
func (m Mamba3) remember(c *Context, past, h, scanned, mine, k, u, theta Value) {
	if past == nil {
		return
	}
	last := func(x Value) Value { return op.Gather(x, c.G.Int64(-1), 1) }
	c.SetState(h, op.Add(scanned, op.MatMul(op.Transpose(last(mine), 0, 1, 3, 2), last(k))))
	flat := func(x Value, n int64) Value { return op.Reshape(last(x), 0, n) }
	column := op.Concat(1, flat(k, m.ranks()*m.Heads*m.DState), flat(u, m.Heads*m.HeadDim), flat(theta, m.Heads*m.Angles))
	c.SetState(past, op.Unsqueeze(column, 2))
}

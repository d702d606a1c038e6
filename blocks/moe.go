package blocks

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// MoE is the Mixture-of-Experts layer, [B, L, D] → [B, L, D]: a router assigns k of E
// experts to every token (or tokens to every expert), and the experts' outputs are added
// with the router's weights. Dispatch, expert computation and combination are shared by all
// routers.
type MoE struct {
	DModel  int64
	Experts int64 // E
	TopK    int64 // k
	Router  *plugins.Function
	Expert  *plugins.Function

	Scale  float64 // factor of what the routed experts give; 0 for none
	Latent int64   // width that the routed experts work in, behind and before a projection; 0 for D
	Shared *Shared // what every token passes besides; nil for none

	// CapacityFactor limits each expert to ⌊factor·k·T/E⌋ tokens while training; 0 drops
	// nothing, as evaluation and decoding never do.
	CapacityFactor float64
	Capacity       int64 // the limit itself, instead of a factor
	CapacityPerRow bool  // count within each sequence instead of the whole batch
	PassThrough    bool  // a dropped token yields weight·x instead of 0

	// Kept, int64 [T, k] or nil, takes the place of a capacity: the router's choices with −1
	// where dropped, to replay a recorded routing.
	Kept Value
}

// Shared is an expert that every token passes, whose result is added to that of the routed
// ones (arXiv 2401.06066): several shared experts are one of their summed width.
type Shared struct {
	Expert *plugins.Function
	Gated  bool // times σ(x·w), as in Qwen2-MoE
}

// Routers is the layer's router.
func (m MoE) Routers() []*plugins.Function { return []*plugins.Function{m.Router} }

// Forward routes, dispatches, computes and combines.
func (m MoE) Forward(c *Context, x Value) Value {
	flat := op.Reshape(x, -1, m.DModel) // [T, D]
	r := c.route(m.Router, flat, m.Experts, m.TopK)
	if r == nil {
		return x
	}
	in := flat
	if m.Latent > 0 {
		in = c.Linear("latent_in", flat, m.DModel, m.Latent, false)
	}
	limited := m.limit(c, x, r)
	y := r.through(c, "experts", m.Expert, in, true)
	if y == nil {
		return x
	}
	if limited {
		y = m.overflow(c, r, in, y)
	}
	if m.Latent > 0 {
		y = op.MatMul(y, c.G.Param("latent_out.weight", residualInit(m.Latent), true, m.Latent, m.DModel))
	}
	if m.Scale != 0 && m.Scale != 1 {
		y = op.Scale(y, m.Scale)
	}
	if m.Shared != nil {
		y = op.Add(y, m.shared(c, flat))
	}
	r.report(c)
	return op.ReshapeLike(y, x)
}

// shared is the shared expert on all tokens [T, D].
func (m MoE) shared(c *Context, flat Value) Value {
	done := c.G.Scope("shared")
	y := FeedForward{DModel: m.DModel, Expert: m.Shared.Expert}.Forward(c, flat)
	done()
	if m.Shared.Gated {
		y = op.Mul(y, op.Sigmoid(c.Linear("shared_gate", flat, m.DModel, 1, false)))
	}
	return y
}

// limit applies the capacity while training and tells whether there is one.
func (m MoE) limit(c *Context, x Value, r *routed) bool {
	switch {
	case m.Kept != nil:
		r.first, r.drops = m.Kept, true
		return true
	case !c.Train || (m.CapacityFactor == 0 && m.Capacity == 0) || r.assigned() == nil:
		return false // who claims tokens has a capacity by construction
	}
	experts := r.first
	k, ok := experts.Dim(1).Int()
	if !ok {
		c.G.Fail(fmt.Errorf("router %s: the number of experts per token must be fixed, got %v", r.router.Variant, experts.Shape()))
		return false
	}
	if m.CapacityPerRow {
		l, fixed := x.Dim(1).Int()
		if !fixed {
			l = -1
		}
		experts = perRow(c, x, experts, l, k)
	}
	if m.Capacity > 0 {
		experts = op.LimitCapacityTo(experts, m.Experts, m.Capacity)
	} else {
		experts = op.LimitCapacity(experts, m.Experts, m.CapacityFactor)
	}
	r.first, r.drops = op.Reshape(experts, -1, k), true
	return true
}

// perRow is the assignments as [B, L, k].
func perRow(c *Context, x, experts Value, l, k int64) Value {
	if l >= 0 {
		return op.Reshape(experts, -1, l, k)
	}
	return op.ReshapeTo(experts, op.Concat(0, op.Slice(op.ShapeOf(x), 0, 0, 2), c.G.Int64s(k)))
}

// overflow adds what dropped tokens pass on, and reports their share.
func (m MoE) overflow(c *Context, r *routed, in, y Value) Value {
	dropped := op.Cast(op.Less(r.first, c.G.Int64(0)), graph.Float32) // [T, k]
	if m.PassThrough {
		y = op.Add(y, op.Mul(in, op.ReduceSum(op.Mul(dropped, r.second), []int64{1}, true)))
	}
	if c.Train {
		c.Metric("dropped", op.ReduceMean(dropped, nil, false))
	}
	return y
}

package blocks

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// MoE is the Mixture-of-Experts layer, [B, L, D] → [B, L, D]: a router assigns k of E
// experts to every token, and the experts' outputs are added with the router's weights.
// Dispatch, expert computation and combination are shared by all routers.
type MoE struct {
	DModel  int64
	Experts int64 // E
	Router  *plugins.Function
	Expert  *plugins.Function

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

// Forward routes, dispatches, computes and combines.
func (m MoE) Forward(c *Context, x Value) Value {
	flat := op.Reshape(x, -1, m.DModel) // [T, D]
	r := m.route(c, flat)
	if r == nil {
		return x
	}
	experts, drops := m.limit(c, x, r)
	d := op.Dispatch(experts, m.Experts, drops)
	rows := lifted{c, m.Expert, m.Experts, d}.forward(op.TakeRows(flat, d)) // [R, D]
	if rows == nil {
		return x
	}
	y := op.Combine(rows, r.weight, d)
	if drops {
		dropped := op.Cast(op.Less(experts, c.G.Int64(0)), graph.Float32) // [T, k]
		if m.PassThrough {
			y = op.Add(y, op.Mul(flat, op.ReduceSum(op.Mul(dropped, r.weight), []int64{1}, true)))
		}
		if c.Train {
			c.Metric("dropped", op.ReduceMean(dropped, nil, false))
		}
	}
	m.report(c, d)
	return op.ReshapeLike(y, x)
}

// routed is what a router answered for one layer.
type routed struct {
	router         *plugins.Function
	name           string // scope of the layer
	experts        int64
	expert, weight Value            // [T, k]
	outputs        map[string]Value // all outputs of the function, by name
}

// route inlines the router's function.
func (m MoE) route(c *Context, flat Value) *routed {
	f := m.Router
	if f.Routing.Kind != plugins.Assign {
		c.G.Fail(fmt.Errorf("router %s/%s does not assign experts to tokens: this form of routing is not supported yet", f.Provider, f.Variant))
		return nil
	}
	in, err := c.routerInputs(f, flat)
	if err != nil {
		c.G.Fail(err)
		return nil
	}
	fn := c.form(f)
	done := c.G.Scope("router")
	for _, p := range f.Params {
		in = append(in, c.G.Param(p.Name, p.Init, p.Decay, p.Shape...))
	}
	states := make([]Value, len(f.States))
	for i, s := range f.States { // kept with the weights, changed once per optimiser step
		fill := graph.Init{Scheme: "constant", Args: map[string]float64{"value": float64(s.Fill)}}
		states[i] = c.G.Frozen(s.Name, fill, s.Shape...)
		in = append(in, states[i])
	}
	done()
	out := c.G.Inline(fn, in...)
	if c.G.Err() != nil {
		return nil
	}
	r := &routed{router: f, name: c.G.Path("router"), experts: m.Experts, outputs: map[string]Value{}}
	for i, v := range fn.Outputs {
		r.outputs[v.Name] = out[i]
	}
	r.expert, r.weight = r.outputs[f.Routing.First], r.outputs[f.Routing.Second]
	for i, s := range f.States {
		if c.Train {
			c.updates = append(c.updates, StateUpdate{State: states[i], Accumulate: r.outputs[s.Accumulate], Update: s.Update})
		}
	}
	if c.Train {
		for _, metric := range f.Metrics {
			c.Metric(metric.Name, r.outputs[metric.Output])
		}
	}
	c.routed = append(c.routed, *r)
	return r
}

// routerInputs are x and what the router's capabilities ask for.
func (c *Context) routerInputs(f *plugins.Function, flat Value) ([]Value, error) {
	in := []Value{flat}
	if f.Capabilities.NeedsTokenIDs {
		in = append(in, op.Reshape(c.TokenIDs, -1))
	}
	if f.Capabilities.NeedsPositions {
		in = append(in, c.positions())
	}
	if f.Capabilities.NeedsRNG {
		if c.RNG == nil {
			return nil, fmt.Errorf("router %s/%s asks for randomness, which only training gives", f.Provider, f.Variant)
		}
		// Each layer gets a key of its own.
		in = append(in, op.Add(c.RNG, c.G.Int64s(0, int64(c.Layer))))
	}
	return in, nil
}

// positions are the absolute positions of all tokens, int64 [T]. Padding in front does not
// count.
func (c *Context) positions() Value {
	shape := op.ShapeOf(c.TokenIDs)
	if c.KeyMask != nil {
		seen := op.Max(op.Sub(op.CumSum(c.KeyMask, 1), c.G.Int64(1)), c.G.Int64(0)) // [B, past+L]
		if c.Past != nil {
			from := op.Unsqueeze(c.Past, 0)
			seen = op.SliceBy(seen, 1, from, op.Add(from, op.Slice(shape, 0, 1, 2)))
			seen = op.ReshapeTo(seen, shape)
		}
		return op.Reshape(seen, -1)
	}
	l := op.Squeeze(op.Slice(shape, 0, 1, 2), 0)
	p := op.Range(c.G.Int64(0), l, c.G.Int64(1)) // [L]
	if c.Past != nil {
		p = op.Add(p, c.Past)
	}
	return op.Reshape(op.Expand(p, shape), -1)
}

// limit applies the capacity while training; drops says that assignments may be −1.
func (m MoE) limit(c *Context, x Value, r *routed) (experts Value, drops bool) {
	if m.Kept != nil {
		return m.Kept, true
	}
	if !c.Train || (m.CapacityFactor == 0 && m.Capacity == 0) {
		return r.expert, false
	}
	experts = r.expert
	k, ok := experts.Dim(1).Int()
	if !ok {
		c.G.Fail(fmt.Errorf("router %s: the number of experts per token must be fixed, got %v", r.router.Variant, experts.Shape()))
		return experts, false
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
	return op.Reshape(experts, -1, k), true
}

// perRow is the assignments as [B, L, k].
func perRow(c *Context, x, experts Value, l, k int64) Value {
	if l >= 0 {
		return op.Reshape(experts, -1, l, k)
	}
	return op.ReshapeTo(experts, op.Concat(0, op.Slice(op.ShapeOf(x), 0, 0, 2), c.G.Int64s(k)))
}

// report measures how many rows each expert computed, int64 [E].
func (m MoE) report(c *Context, d op.Dispatched) {
	if !c.Train {
		return
	}
	load := op.Sub(op.Slice(d.Offsets, 0, 1, m.Experts+1), op.Slice(d.Offsets, 0, 0, m.Experts))
	c.Metric("load", load)
}

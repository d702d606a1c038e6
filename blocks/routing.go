package blocks

import (
	"fmt"
	"slices"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// routed is what a router answered for one layer. Several sets of experts may follow it.
type routed struct {
	router  *plugins.Function
	name    string           // scope of the router
	experts int64            // E
	k       int64            // experts that a token meets, on average for claims
	outputs map[string]Value // all outputs of the function, by name

	first, second Value // of the routing: see plugins.RoutingOutputs
	drops         bool  // assignments may be −1

	dispatched *op.Dispatched // made when first needed
	scopes     []string       // of the sets of experts
}

// route inlines a router's function on tokens [T, D] for E experts, k of them for a token;
// nil after a mistake.
func (c *Context) route(f *plugins.Function, flat Value, experts, k int64) *routed {
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
	r := &routed{router: f, name: c.G.Path("router"), experts: experts, k: k, outputs: map[string]Value{}}
	for i, v := range fn.Outputs {
		r.outputs[v.Name] = out[i]
	}
	r.first, r.second = r.outputs[f.Routing.First], r.outputs[f.Routing.Second]
	r.drops = c.Train // a router may drop assignments while training
	switch f.Routing.Kind {
	case plugins.Assign:
		r.k, _ = r.first.Dim(1).Int()
	case plugins.Mix:
		r.k = experts // every token meets every expert
	}
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
	c.routed = append(c.routed, r)
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
		key, err := c.key(f)
		if err != nil {
			return nil, err
		}
		in = append(in, key)
	}
	return in, nil
}

// maxSites is more than the routers of any model, so that the keys of two steps never meet.
const maxSites = 1 << 20

// key is the random key of the present router, int64 [2]: one of its own for each step and
// router. Outside of training there is no randomness; a function that asks for it there is
// an error.
func (c *Context) key(f *plugins.Function) (Value, error) {
	if c.RNG != nil {
		return op.Add(op.Mul(c.RNG, c.G.Int64s(1, maxSites)), c.G.Int64s(0, int64(len(c.routed)))), nil
	}
	fn := c.form(f)
	rng := fn.Inputs[slices.IndexFunc(fn.Inputs, func(v Value) bool { return v.Name == "rng" })]
	for _, n := range fn.Nodes {
		if slices.Contains(n.Inputs, rng) {
			return nil, fmt.Errorf("router %s/%s asks for randomness, which only training gives", f.Provider, f.Variant)
		}
	}
	return c.G.Int64s(0, 0), nil
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

// through sends tokens x [T, D] through a set of experts under a scope of its own, and
// brings their results back to the tokens, [T, D'], times the router's weights or, for
// assignments and claims, as they are; nil after a mistake.
func (r *routed) through(c *Context, scope string, expert *plugins.Function, x Value, weighted bool) Value {
	r.scopes = append(r.scopes, c.G.Path(scope)+"/")
	d := r.dispatch(c)
	rows := lifted{c, expert, r.experts, d}.forward(scope, r.rows(x, d))
	if rows == nil {
		return nil
	}
	switch r.router.Routing.Kind {
	case plugins.Claim:
		if weighted {
			rows = op.Mul(rows, op.Reshape(r.second, -1, 1))
		}
		return op.ScatterRows(rows, r.first, x)
	case plugins.Mix:
		return op.MatMul(r.second, rows)
	}
	weight := r.second
	if !weighted {
		weight = op.Cast(op.GreaterOrEqual(r.first, c.G.Int64(0)), graph.Float32)
	}
	return op.Combine(rows, weight, d)
}

// report measures how many rows each expert computes while training, int64 [E].
func (r *routed) report(c *Context) {
	if c.Train {
		offsets := r.dispatch(c).Offsets
		c.Metric("load", op.Sub(op.Slice(offsets, 0, 1, r.experts+1), op.Slice(offsets, 0, 0, r.experts)))
	}
}

// dispatch is the order in which experts compute, and where the rows of each begin.
func (r *routed) dispatch(c *Context) op.Dispatched {
	if r.dispatched != nil {
		return *r.dispatched
	}
	var d op.Dispatched
	switch r.router.Routing.Kind {
	case plugins.Claim:
		d.Order = op.Reshape(r.first, -1)
		d.Offsets = r.equalParts(c, op.Slice(op.ShapeOf(r.first), 0, 1, 2))
	case plugins.Mix:
		slots := op.Slice(op.ShapeOf(r.first), 0, 0, 1) // int64 [1]
		d.Order = op.Range(c.G.Int64(0), op.Squeeze(slots, 0), c.G.Int64(1))
		d.Offsets = r.equalParts(c, op.Div(slots, c.G.Int64(r.experts)))
	default:
		d = op.Dispatch(r.first, r.experts, r.drops)
	}
	r.dispatched = &d
	return d
}

// equalParts are the offsets of experts that have n rows each, int64 [E+1].
func (r *routed) equalParts(c *Context, n Value) Value {
	ids := make([]int64, r.experts+1)
	for i := range ids {
		ids[i] = int64(i)
	}
	return op.Mul(c.G.Int64s(ids...), n)
}

// rows are the experts' inputs, those of expert 0 first.
func (r *routed) rows(x Value, d op.Dispatched) Value {
	switch r.router.Routing.Kind {
	case plugins.Claim:
		return op.Gather(x, d.Order, 0)
	case plugins.Mix:
		return op.MatMul(r.first, x)
	}
	return op.TakeRows(x, d)
}

// probabilities are the router's probabilities [T, E], nil when it reports none.
func (r *routed) probabilities() Value {
	for _, t := range r.router.TokenOutputs {
		if t.Name == "probabilities" {
			return r.outputs[t.Output]
		}
	}
	return nil
}

// assigned are the experts of every token, int64 [T, k]; nil for other forms of routing.
func (r *routed) assigned() Value {
	if r.router.Routing.Kind != plugins.Assign {
		return nil
	}
	return r.outputs[r.router.Routing.First]
}

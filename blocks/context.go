package blocks

import (
	"fmt"
	"slices"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// Value is a tensor that flows through a graph.
type Value = *graph.Value

// Mode is what a graph is built for.
type Mode uint8

// Modes. Whole has no states: sequences begin at their first token. Decode carries
// states, with attention caches of a fixed capacity and a run-time length, as plans
// need. Export carries states, with attention caches that grow by concatenation, as
// other runtimes expect.
const (
	Whole Mode = iota
	Decode
	Export
)

// Context is what a block sees of the model around it.
type Context struct {
	G     *graph.Graph
	Mode  Mode
	Train bool // use the training form of routers, capacities included

	TokenIDs Value // int64 [B, L]
	Embedded Value // [B, L, D]: the embedding, before any layer; nil outside of a model
	Past     Value // int64 scalar: tokens before this call; nil for 0
	Mask     Value // int64 [B, L]: 0 at padding; nil for no padding
	KeyMask  Value // int64 [B, past+L]: the same over all keys; nil for no padding
	First    Value // int64 [B, L]: where the document of each token begins; nil for one a row
	RNG      Value // int64 [2]: a key that differs by step; nil when no router asks

	Layer int // absolute index of the layer being built

	keptLength Value // see kept
	routed     []*routed
	metrics    []Metric
	updates    []StateUpdate
}

// Metric is a value reported during training.
type Metric struct {
	Name  string // "layers.1/moe/load"
	Value Value
}

// StateUpdate is a router's state that changes once per optimiser step.
type StateUpdate struct {
	State      Value        // a frozen parameter of the graph
	Accumulate Value        // summed over micro-batches
	Update     *graph.Graph // (state, accumulated) → state
}

// State is the carried state of the present layer under a name such as "ssm", of shape
// [B, dims...]; nil in Whole mode, where sequences begin with zeros, and for an extent of
// 0, the past of a convolution of one tap.
func (c *Context) State(kind string, dims ...any) Value {
	if c.Mode == Whole || slices.Contains(dims, any(int64(0))) {
		return nil
	}
	shape := append(graph.Shape{c.TokenIDs.Dim(0)}, graph.ShapeOf(dims...)...)
	return c.G.State(fmt.Sprintf("%s.%d", kind, c.Layer), graph.Float32, shape, 0)
}

// SetState replaces a state; in Whole mode there is none.
func (c *Context) SetState(past, next Value) {
	if past != nil {
		c.G.SetState(past, next)
	}
}

// Losses are the auxiliary losses that routers have reported so far, unweighted, in the
// order of the layers, and PerToken their values per token of a kind such as "logits".
func (c *Context) Losses() []Metric {
	var out []Metric
	for _, a := range c.auxiliary(PerLayerSum) {
		out = append(out, Metric{Name: a.name, Value: a.value})
	}
	return out
}

// PerToken are the routers' values per token of one name, in the order of the layers.
func (c *Context) PerToken(name string) []Value {
	var out []Value
	for _, r := range c.routed {
		for _, t := range r.router.TokenOutputs {
			if t.Name == name {
				out = append(out, r.outputs[t.Output])
			}
		}
	}
	return out
}

// Metric reports a value under the present scope.
func (c *Context) Metric(name string, v Value) {
	c.metrics = append(c.metrics, Metric{Name: c.G.Path(name), Value: v})
}

// keep is x with padded positions set to 0: x [B, L, D].
func (c *Context) keep(x Value) Value {
	if c.Mask == nil {
		return x
	}
	return op.Mul(x, op.Unsqueeze(op.Cast(c.Mask, graph.Float32), 2))
}

// Weight adds a weight matrix [in, out] that starts as a linear layer does.
func (c *Context) Weight(name string, in, out int64) Value {
	return c.G.Param(name+".weight", linearInit(in), true, in, out)
}

// Bias adds a bias [n] that starts at zero, or nil when there is none.
func (c *Context) Bias(name string, has bool, n int64) Value {
	if !has {
		return nil
	}
	return c.G.Param(name+".bias", graph.Init{Scheme: "zeros"}, false, n)
}

// convBias adds the bias of a depthwise convolution of k taps over n channels, or nil.
func (c *Context) convBias(has bool, n, k int64) Value {
	if !has {
		return nil
	}
	return c.G.Param("conv1d.bias", convInit(k), false, n)
}

// Linear is x·W (+ bias), x [..., in] → [..., out].
func (c *Context) Linear(name string, x Value, in, out int64, bias bool) Value {
	return op.Linear(x, c.Weight(name, in, out), c.Bias(name, bias, out))
}

// Block maps [B, L, D] → [B, L, D].
type Block interface {
	Forward(c *Context, x Value) Value
}

package blocks

import (
	"math"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// Attention is causal multi-head attention with grouped key-value heads and rotary
// positions (arXiv 1706.03762, 2305.13245, 2104.09864), [B, L, D] → [B, L, D].
type Attention struct {
	DModel  int64
	Out     int64 // width of the result, DModel when 0
	Heads   int64 // query heads, Hq
	KVHeads int64 // key-value heads, Hkv; divides Heads
	HeadDim int64 // Dh

	Rope   *op.RopeSpec // nil: no positions
	Window int64        // a token sees that many, itself included; 0 for all before it
	Scale  float64      // factor on q·k; Dh^−½ when 0
	QKNorm *Norm        // of each head of q and k, before they are rotated; nil for none
	Gate   bool         // the result is multiplied by σ(gate) (arXiv 2505.06708)

	Bias    bool // of the projections to q, k and v
	OutBias bool // of the projection back

	// Adapters are added to the weights of projections, by their names such as "q_proj".
	Adapters map[string]Adapter
}

// Adapter is a weight [in, out] of low rank R, the product of Down [in, R] and Up [R, out].
type Adapter struct{ Down, Up Value }

// addTo adds x·Down·Up to y; the zero Adapter adds nothing.
func (a Adapter) addTo(y, x Value) Value {
	if a.Down == nil {
		return y
	}
	return op.Add(y, op.MatMul(op.MatMul(x, a.Down), a.Up))
}

// Forward projects, normalises, rotates, attends, gates and projects back. State: the keys,
// already rotated, and the values, [B, Hkv, past, Dh] each; those before the window are
// forgotten when decoding.
func (a Attention) Forward(c *Context, x Value) Value {
	q, k, v, gate := a.project(c, x)
	if n := a.QKNorm; n != nil {
		q, k = n.Forward(c, "q_norm", q, a.HeadDim), n.Forward(c, "k_norm", k, a.HeadDim)
	}
	if a.Rope != nil {
		q, k = op.Rope(q, c.Past, *a.Rope), op.Rope(k, c.Past, *a.Rope)
	}
	keys, length := a.remember(c, "key", op.Transpose(k, 0, 2, 1, 3))
	values, _ := a.remember(c, "value", op.Transpose(v, 0, 2, 1, 3))
	y := op.Attention(q, keys, values, length, c.KeyMask, c.First, op.AttentionSpec{Scale: a.scale(), Window: a.Window}) // [B, L, Hq, Dh]
	if gate != nil {
		y = op.Mul(y, op.Sigmoid(gate))
	}
	width, out := a.Heads*a.HeadDim, a.Out
	if out == 0 {
		out = a.DModel
	}
	w := c.G.Param("o_proj.weight", residualInit(width), true, width, out)
	return op.Linear(op.Reshape(y, 0, 0, width), w, c.Bias("o_proj", a.OutBias, out))
}

// project makes q [B, L, Hq, Dh], k and v [B, L, Hkv, Dh], and the gate, as q, which
// shares q's projection: head by head, first q, then its gate.
func (a Attention) project(c *Context, x Value) (q, k, v, gate Value) {
	heads := func(name string, n, dim int64) Value { // [B, L, n, dim]
		return op.Reshape(a.Adapters[name].addTo(c.Linear(name, x, a.DModel, n*dim, a.Bias), x), 0, 0, n, dim)
	}
	if a.Gate {
		parts := op.Split(heads("q_proj", a.Heads, 2*a.HeadDim), -1, a.HeadDim, a.HeadDim)
		q, gate = parts[0], parts[1]
	} else {
		q = heads("q_proj", a.Heads, a.HeadDim)
	}
	return q, heads("k_proj", a.KVHeads, a.HeadDim), heads("v_proj", a.KVHeads, a.HeadDim), gate
}

func (a Attention) scale() float64 {
	if a.Scale != 0 {
		return a.Scale
	}
	return 1 / math.Sqrt(float64(a.HeadDim))
}

// remember puts new rows [B, Hkv, L, Dh] behind those of earlier calls. A cache of fixed
// capacity comes with the number of its rows that are valid. That of a window holds the
// newest tokens only; an exported file keeps all, because its consumers tell the position
// from the length of caches.
func (a Attention) remember(c *Context, kind string, rows Value) (all, length Value) {
	switch c.Mode {
	case Decode:
		held, capacity := c.Past, CacheCapacity
		if a.Window > 0 {
			held, capacity = c.kept(), WindowCapacity
		}
		cache := c.State(kind, a.KVHeads, capacity, a.HeadDim)
		all = op.CacheAppend(cache, rows, held)
		c.SetState(cache, all)
		l := op.Squeeze(op.Slice(op.ShapeOf(c.TokenIDs), 0, 1, 2), 0)
		return all, op.Add(held, l)
	case Export:
		past := c.State(kind, a.KVHeads, PastLength, a.HeadDim)
		all = op.Concat(2, past, rows)
		c.SetState(past, all)
		return all, nil
	}
	return rows, nil
}

// kept is how many earlier tokens the caches of windows hold, int64 scalar: all, or the
// newest of them.
func (c *Context) kept() Value {
	if c.keptLength == nil {
		c.keptLength = c.G.Input("kept_length", graph.Int64, nil)
	}
	return c.keptLength
}

// Names of run-time sizes.
const (
	BatchSize      = "batch_size"
	SequenceLen    = "sequence_length"
	PastLength     = "past_sequence_length"
	CacheCapacity  = "cache_capacity"
	WindowCapacity = "window_capacity" // of the caches of attention with a window
)

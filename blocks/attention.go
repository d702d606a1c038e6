package blocks

import (
	"math"

	"github.com/moezoo/moezoo/graph/op"
)

// Attention is causal multi-head attention with grouped key-value heads and rotary
// positions (arXiv 1706.03762, 2305.13245, 2104.09864), [B, L, D] → [B, L, D].
type Attention struct {
	DModel  int64
	Heads   int64 // query heads, Hq
	KVHeads int64 // key-value heads, Hkv; divides Heads
	HeadDim int64 // Dh
	Rope    *op.RopeSpec
	Bias    bool // of all four projections
}

// Forward projects, rotates, attends and projects back. State: the keys, already
// rotated, and the values, [B, Hkv, past, Dh] each.
func (a Attention) Forward(c *Context, x Value) Value {
	heads := func(name string, n int64) Value { // [B, L, n, Dh]
		return op.Reshape(c.Linear(name, x, a.DModel, n*a.HeadDim, a.Bias), 0, 0, n, a.HeadDim)
	}
	q, k, v := heads("q_proj", a.Heads), heads("k_proj", a.KVHeads), heads("v_proj", a.KVHeads)
	if a.Rope != nil {
		q, k = op.Rope(q, c.Past, *a.Rope), op.Rope(k, c.Past, *a.Rope)
	}
	keys, length := a.remember(c, "key", op.Transpose(k, 0, 2, 1, 3))
	values, _ := a.remember(c, "value", op.Transpose(v, 0, 2, 1, 3))
	y := op.Attention(q, keys, values, length, c.KeyMask, c.First, 1/math.Sqrt(float64(a.HeadDim))) // [B, L, Hq, Dh]
	width := a.Heads * a.HeadDim
	y = op.Reshape(y, 0, 0, width)
	return op.Linear(y, c.G.Param("o_proj.weight", residualInit(width), true, width, a.DModel), c.Bias("o_proj", a.Bias, a.DModel))
}

// remember puts new rows [B, Hkv, L, Dh] behind those of earlier calls. A cache of fixed
// capacity comes with the number of its rows that are valid.
func (a Attention) remember(c *Context, kind string, rows Value) (all, length Value) {
	switch c.Mode {
	case Decode:
		cache := c.State(kind, a.KVHeads, CacheCapacity, a.HeadDim)
		all = op.CacheAppend(cache, rows, c.Past)
		c.SetState(cache, all)
		l := op.Squeeze(op.Slice(op.ShapeOf(c.TokenIDs), 0, 1, 2), 0)
		return all, op.Add(c.Past, l)
	case Export:
		past := c.State(kind, a.KVHeads, PastLength, a.HeadDim)
		all = op.Concat(2, past, rows)
		c.SetState(past, all)
		return all, nil
	}
	return rows, nil
}

// Names of run-time sizes.
const (
	BatchSize     = "batch_size"
	SequenceLen   = "sequence_length"
	PastLength    = "past_sequence_length"
	CacheCapacity = "cache_capacity"
)

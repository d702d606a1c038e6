package op

import (
	"fmt"
	"math"

	"github.com/moezoo/moezoo/graph"
)

// AttentionSpec says how scores are made and how far attention looks.
type AttentionSpec struct {
	Scale  float64 // factor on q·k
	Window int64   // a query sees that many keys, the newest being its own; 0 for all
}

// Attention is causal scaled-dot-product attention with grouped heads (arXiv
// 1706.03762, 2305.13245): query t sees the keys up to position t + length − L, and of
// those the last Window alone (arXiv 2004.05150).
//
// q [B, L, Hq, Dh]; k and v [B, Hkv, S, Dh], S ≥ L, where key-value head j serves the query
// heads j·Hq/Hkv …; length, an int64 scalar or nil, is how many keys are valid (S when
// nil); mask, int64 [B, S] or nil, is 0 at padding; first, int64 [B, L] or nil, tells where the
// document of each query begins and hides the keys before it, S = L → [B, L, Hq, Dh]. A query
// that sees no key has an unspecified finite result.
func Attention(q, k, v, length, mask, first Value, spec AttentionSpec) Value {
	attrs := graph.Attrs{"scale": float32(spec.Scale)}
	if spec.Window > 0 {
		attrs["window"] = spec.Window
	}
	return many(attention, attrs, 2, q, k, v, length, mask, first)[0]
}

var attention, attentionGrad *graph.Op

func init() {
	attrs := []graph.Attr{
		{Name: "scale", Kind: graph.FloatAttr, Doc: "factor on q·k", Required: true},
		{Name: "window", Kind: graph.IntAttr, Doc: "keys that a query sees, its own included; 0, the default, for all before it"},
	}
	inputs := []graph.Arg{
		{Name: "q", Doc: "[B, L, Hq, Dh]"},
		{Name: "k", Doc: "[B, Hkv, S, Dh]"},
		{Name: "v", Doc: "[B, Hkv, S, Dh]"},
		{Name: "length", Doc: "valid keys, int64 scalar, S when absent", Optional: true},
		{Name: "mask", Doc: "int64 [B, S], 0 at padding", Optional: true},
		firstArg,
	}
	attention = graph.Register(&graph.Op{
		Name: "Attention", Domain: graph.Domain, Since: 1,
		Doc:     "y[t] = Σ_s softmax_s(scale · q[t]·k[s]) v[s] over t + length − L − window < s ≤ t + length − L",
		Inputs:  inputs,
		Outputs: []graph.Arg{{Name: "y", Doc: "[B, L, Hq, Dh]"}, {Name: "lse", Doc: "logsumexp of the scores [B, Hq, L]", Optional: true}},
		Attrs:   attrs,
		Infer:   inferAttention,
		Grad: func(c *graph.Grad) []Value {
			d := c.G.Apply(attentionGrad, c.Attrs, 3, append([]Value{c.DOut[0], c.Out(0), c.Out(1)}, c.Inputs...)...)
			return append(d, nil, nil, nil)[:len(c.Inputs)]
		},
		Lower: lowerAttention,
	})
	attentionGrad = graph.Register(&graph.Op{
		Name: "AttentionGrad", Domain: graph.Domain, Since: 1, Doc: "the gradients of Attention, recomputing the scores tile by tile",
		Inputs: append([]graph.Arg{
			{Name: "dy", Doc: "[B, L, Hq, Dh]"}, {Name: "y", Doc: "of the forward pass"}, {Name: "lse", Doc: "of the forward pass"},
		}, inputs...),
		Outputs: []graph.Arg{{Name: "dq", Doc: "as q"}, {Name: "dk", Doc: "as k"}, {Name: "dv", Doc: "as v"}},
		Attrs:   attrs,
		Infer: func(c *graph.Infer) error {
			for i := range 3 {
				c.Out(i, graph.Float32, c.Shape(3+i))
			}
			return nil
		},
		NoGrad: "second derivatives are not built", NoLower: trainingOnly,
	})
}

func inferAttention(c *graph.Infer) error {
	for i := range 3 {
		if err := c.Want(i, graph.Float32, 4); err != nil {
			return err
		}
	}
	q, k := c.Shape(0), c.Shape(1)
	for i := 1; i < 3; i++ {
		if err := c.WantShape(i, graph.Float32, q[0], k[1], k[2], q[3]); err != nil {
			return err
		}
	}
	hq, _ := q[2].Int()
	if hkv, ok := k[1].Int(); !ok || hkv < 1 || hq%hkv != 0 {
		return fmt.Errorf("%v query heads are no multiple of %v key-value heads", q[2], k[1])
	}
	if w := c.Int("window", 0); w < 0 {
		return fmt.Errorf("window = %d: want at least 1, or 0 for none", w)
	}
	if err := c.Want(3, graph.Int64, 0); err != nil {
		return err
	}
	if err := c.WantShape(4, graph.Int64, q[0], k[2]); err != nil {
		return err
	}
	if err := wantFirst(c, 5, q[0], q[1]); err != nil {
		return err
	}
	if c.Has(5) && !q[1].Equal(k[2]) {
		return fmt.Errorf("document boundaries need as many keys as queries, got %v and %v", k[2], q[1])
	}
	c.Out(0, graph.Float32, q)
	c.Out(1, graph.Float32, graph.Shape{q[0], q[2], q[1]})
	return nil
}

func lowerAttention(c *graph.Lower) []Value {
	if refuseFirst(c, 5) {
		return nil
	}
	q, k, v := c.In(0), c.In(1), c.In(2)
	hq, hkv, dh := intDim(q, 2), intDim(k, 1), intDim(q, 3)
	s := extentOf(k, 2)
	seen := visibleKeys(c, s)
	// All query heads of one key-value head are rows of the same product.
	heads := Transpose(Scale(q, float64(c.Float("scale", 1))), 0, 2, 1, 3) // [B, Hq, L, Dh]
	scores := MatMul(foldHeads(heads, hkv, dh), Transpose(k, 0, 1, 3, 2))  // [B, Hkv, (Hq/Hkv)·L, S]
	shape := Concat(0, Slice(ShapeOf(heads), 0, 0, 3), Unsqueeze(s, 0))
	scores = ReshapeTo(scores, shape) // [B, Hq, L, S]
	scores = Where(seen, scores, c.G.Float(-math.MaxFloat32))
	p := Softmax(scores, -1)
	if hq != hkv {
		p = ReshapeTo(p, Concat(0, Slice(ShapeOf(k), 0, 0, 2), c.G.Int64s(-1), Unsqueeze(s, 0)))
	}
	y := ReshapeTo(MatMul(p, v), ShapeOf(heads))
	return []Value{Transpose(y, 0, 2, 1, 3)}
}

// visibleKeys tells which of s keys (an int64 scalar) each query of an attention node sees,
// bool [L, S], or [B, 1, L, S] behind padding.
func visibleKeys(c *graph.Lower, s Value) Value {
	length, mask := c.In(3), c.In(4)
	zero, one, l := c.G.Int64(0), c.G.Int64(1), extentOf(c.In(0), 1)
	if length == nil {
		length = s
	}
	newest := Unsqueeze(Add(Range(zero, l, one), Sub(length, l)), 1) // [L, 1]: last key each query sees
	key := Unsqueeze(Range(zero, s, one), 0)                         // [1, S]
	seen := LessOrEqual(key, newest)                                 // [L, S]
	if w := c.Int("window", 0); w > 0 {
		seen = And(seen, Greater(key, Sub(newest, c.G.Int64(w))))
	}
	if mask != nil {
		kept := Unsqueeze(Greater(mask, zero), 1, 2) // [B, 1, 1, S]
		seen = And(Unsqueeze(seen, 0, 1), kept)
	}
	return seen
}

// extentOf is the extent of an axis at run time, an int64 scalar.
func extentOf(x Value, axis int64) Value { return Squeeze(Slice(ShapeOf(x), 0, axis, axis+1), 0) }

// foldHeads puts the query heads of each key-value head under one another:
// [B, Hq, L, Dh] → [B, Hkv, (Hq/Hkv)·L, Dh].
func foldHeads(q Value, hkv, dh int64) Value {
	if q.Dim(1).Is(hkv) {
		return q
	}
	return Reshape(q, 0, hkv, -1, dh)
}

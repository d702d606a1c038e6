package op

import (
	"fmt"
	"math"

	"github.com/moezoo/moezoo/graph"
)

// AttentionOperator is the lowering of an [Attention] node to the one operator that the
// standard has for it from opset 23 on, for runtimes that have a kernel of it: q [B, L, Hq,
// Dh]; k and v, [B, Hkv, S, Dh], are all keys, or, where pastK and pastV [B, Hkv, P, Dh] are
// given, those behind them, and the operator joins both into presentK and presentV.
//
// What a query sees is said by the mask alone, causality included, since padding and windows
// need one anyway. Hidden is the lowest float instead of −∞, so that a query that sees
// nothing, as those of padding, has a finite result.
func AttentionOperator(c *graph.Lower, pastK, pastV Value) (y, presentK, presentV Value) {
	if refuseFirst(c, 5) {
		return nil, nil, nil
	}
	s, outputs := extentOf(c.In(1), 2), 1
	if pastK != nil {
		s, outputs = Add(extentOf(pastK, 2), s), 3
	}
	bias := Where(visibleKeys(c, s), c.G.Float(0), c.G.Float(-math.MaxFloat32))
	out := many(standardAttention, graph.Attrs{"scale": c.Float("scale", 1)}, outputs,
		Transpose(c.In(0), 0, 2, 1, 3), c.In(1), c.In(2), bias, pastK, pastV)
	if pastK != nil {
		presentK, presentV = out[1], out[2]
	}
	return Transpose(out[0], 0, 2, 1, 3), presentK, presentV
}

var standardAttention *graph.Op

func init() {
	standardAttention = graph.Register(&graph.Op{
		Name: "Attention", Since: 23,
		Doc: "y = softmax(cap(scale · q·kᵀ) + mask) v with cap(x) = softcap · tanh(x / softcap), over the keys of a cache and those behind them",
		Inputs: []graph.Arg{
			{Name: "q", Doc: "[B, Hq, L, Dh], or [B, L, Hq·Dh] with the numbers of heads as attributes; of all of rank 3 likewise"},
			{Name: "k", Doc: "[B, Hkv, S, Dh]"},
			{Name: "v", Doc: "[B, Hkv, S, Dv]"},
			{Name: "mask", Doc: "bool, true where a key is seen, or float, added to the scores; broadcasts to [B, Hq, L, P + S], and keys behind its end are hidden", Optional: true},
			{Name: "past_k", Doc: "[B, Hkv, P, Dh]", Optional: true},
			{Name: "past_v", Doc: "[B, Hkv, P, Dv]", Optional: true},
			{Name: "valid", Doc: "int64 [B], keys that are no padding (opset 24)", Optional: true},
		},
		Outputs: []graph.Arg{
			{Name: "y", Doc: "as q, with Dv"},
			{Name: "present_k", Doc: "[B, Hkv, P + S, Dh]", Optional: true},
			{Name: "present_v", Doc: "[B, Hkv, P + S, Dv]", Optional: true},
			{Name: "scores", Doc: "[B, Hq, L, P + S]", Optional: true},
		},
		Attrs: []graph.Attr{
			{Name: "is_causal", Kind: graph.IntAttr, Doc: "1: query t sees keys up to P + t, or, with valid but no cache, up to valid − L + t; 0 by default"},
			{Name: "q_num_heads", Kind: graph.IntAttr, Doc: "Hq, for rank 3"},
			{Name: "kv_num_heads", Kind: graph.IntAttr, Doc: "Hkv, for rank 3"},
			{Name: "scale", Kind: graph.FloatAttr, Doc: "Dh^−½ by default"},
			{Name: "softcap", Kind: graph.FloatAttr, Doc: "0, the default, for none"},
			{Name: "softmax_precision", Kind: graph.IntAttr, Doc: "the type that the softmax is computed in at least"},
			{Name: "qk_matmul_output_mode", Kind: graph.IntAttr, Doc: "what scores are: 0 products, 1 behind the cap, 2 with the mask, 3 probabilities"},
		},
		Infer:  inferStandardAttention,
		NoGrad: "only files have it: models train with the project's own Attention",
	})
}

func inferStandardAttention(c *graph.Infer) error {
	h, err := headsOf(c)
	if err != nil {
		return err
	}
	total := h.keys
	if c.Has(4) != c.Has(5) {
		return fmt.Errorf("past_k and past_v come together")
	}
	for i, width := range []graph.Dim{h.width, h.valueWidth} {
		if err := c.Want(4+i, graph.Float32, 4); err != nil {
			return err
		}
		if !c.Has(4 + i) {
			continue
		}
		past := c.Shape(4 + i)
		if want := (graph.Shape{h.batch, h.kvHeads, c.Shape(4)[2], width}); !past.Equal(want) {
			return fmt.Errorf("the cache is %v, want %v", past, want)
		}
		total = h.keys.Add(past[2])
	}
	scores := graph.Shape{h.batch, h.heads, h.queries, total}
	if err := checkMask(c, scores); err != nil {
		return err
	}
	if err := c.WantShape(6, graph.Int64, h.batch); err != nil {
		return err
	}
	y := graph.Shape{h.batch, h.heads, h.queries, h.valueWidth}
	if len(c.Shape(0)) == 3 {
		y = graph.Shape{h.batch, h.queries, h.heads.Mul(h.valueWidth)}
	}
	c.Out(0, graph.Float32, y)
	c.Out(1, graph.Float32, graph.Shape{h.batch, h.kvHeads, total, h.width})
	c.Out(2, graph.Float32, graph.Shape{h.batch, h.kvHeads, total, h.valueWidth})
	c.Out(3, graph.Float32, scores)
	return nil
}

// checkMask checks that a mask, but for keys that it leaves out, broadcasts to the scores.
func checkMask(c *graph.Infer, scores graph.Shape) error {
	if !c.Has(3) {
		return nil
	}
	if t := c.DType(3); t != graph.Bool && t != graph.Float32 {
		return fmt.Errorf("the mask is of %v: want float32 or bool", t)
	}
	mask := append(graph.Shape(nil), c.Shape(3)...)
	if len(mask) < 2 || len(mask) > 4 {
		return fmt.Errorf("the mask is %v: want two to four axes", mask)
	}
	last := len(mask) - 1
	given, known := mask[last].Int()
	if total, ok := scores[3].Int(); known && ok && given < total {
		mask[last] = scores[3]
	}
	if s, err := graph.Broadcast(mask, scores); err != nil || !s.Equal(scores) {
		return fmt.Errorf("the mask %v does not broadcast to the scores %v", c.Shape(3), scores)
	}
	return nil
}

// heads are the extents of an attention whose inputs have three or four axes.
type heads struct {
	batch, heads, kvHeads graph.Dim
	queries, keys         graph.Dim
	width, valueWidth     graph.Dim
}

// headsOf checks q, k and v.
func headsOf(c *graph.Infer) (heads, error) {
	rank := len(c.Shape(0))
	if rank != 3 && rank != 4 {
		return heads{}, fmt.Errorf("q is %v: want three or four axes", c.Shape(0))
	}
	var s [3]graph.Shape // each [B, H, T, D]
	for i, attr := range []string{"q_num_heads", "kv_num_heads", "kv_num_heads"} {
		if err := c.Want(i, graph.Float32, rank); err != nil {
			return heads{}, err
		}
		if s[i] = c.Shape(i); rank == 3 {
			n := c.Int(attr, 0)
			if n < 1 {
				return heads{}, fmt.Errorf("%s = %d: want at least 1 where q has three axes", attr, n)
			}
			width, ok := s[i][2].Div(graph.Const(n))
			if !ok {
				return heads{}, fmt.Errorf("%s = %d does not divide %v", attr, n, s[i])
			}
			s[i] = graph.Shape{s[i][0], graph.Const(n), s[i][1], width}
		}
	}
	q, k, v := s[0], s[1], s[2]
	if want := (graph.Shape{q[0], k[1], k[2], q[3]}); !k.Equal(want) || !v.Equal(graph.Shape{q[0], k[1], k[2], v[3]}) {
		return heads{}, fmt.Errorf("q, k and v are %v, %v and %v: want [B, Hq, L, Dh], [B, Hkv, S, Dh] and [B, Hkv, S, Dv]", q, k, v)
	}
	if hkv, ok := k[1].Int(); ok {
		if hq, known := q[1].Int(); hkv < 1 || known && hq%hkv != 0 {
			return heads{}, fmt.Errorf("%v query heads are no multiple of %v key-value heads", q[1], k[1])
		}
	}
	return heads{q[0], q[1], k[1], q[2], k[2], q[3], v[3]}, nil
}

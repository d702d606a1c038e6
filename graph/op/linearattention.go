package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// SSDAsLinearAttention is the lowering of an [SSD] node to the operator that ONNX Runtime has
// for it: queries are c and keys b, tiled to the heads, values are x.
func SSDAsLinearAttention(c *graph.Lower) []Value {
	x, past := c.In(0), c.In(4)
	h, p, n := intDim(x, 2), intDim(x, 3), intDim(c.In(2), 3)
	tiled := func(v Value) Value { // [B, L, G, N] → [B, L, H·N]
		if g := intDim(v, 2); g != h && g > 0 {
			v = Expand(Unsqueeze(v, 3), c.G.Int64s(1, 1, 1, h/g, 1))
		}
		return Reshape(v, 0, 0, h*n)
	}
	attrs := graph.Attrs{"q_num_heads": h, "kv_num_heads": h, "scale": float32(1), "update_rule": "gated"}
	out := many(linearAttention, attrs, 2, tiled(c.In(3)), tiled(c.In(2)), Reshape(x, 0, 0, h*p), Transpose(past, 0, 1, 3, 2), c.In(1))
	return []Value{Reshape(out[0], 0, 0, h, p), Transpose(out[1], 0, 1, 3, 2)}
}

var linearAttention *graph.Op

func init() {
	linearAttention = graph.Register(&graph.Op{
		Name: "LinearAttention", Domain: graph.Contrib, Since: 1,
		Doc: "s[t] = exp(decay[t]) · s[t−1] + k[t] ⊗ v[t]; y[t] = q[t] · s[t], for each head: the gated rule with scale 1",
		Inputs: []graph.Arg{
			{Name: "q", Doc: "[B, L, H·N]"},
			{Name: "k", Doc: "[B, L, H·N]"},
			{Name: "v", Doc: "[B, L, H·P]"},
			{Name: "past", Doc: "[B, H, N, P]"},
			{Name: "decay", Doc: "[B, L, H], a logarithm"},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "[B, L, H·P]"}, {Name: "state", Doc: "after the last step [B, H, N, P]"}},
		Attrs: []graph.Attr{
			{Name: "q_num_heads", Kind: graph.IntAttr, Doc: "H", Required: true},
			{Name: "kv_num_heads", Kind: graph.IntAttr, Doc: "H", Required: true},
			{Name: "scale", Kind: graph.FloatAttr, Doc: "1", Required: true},
			{Name: "update_rule", Kind: graph.StringAttr, Doc: "gated", Required: true},
		},
		Infer:  inferLinearAttention,
		NoGrad: "only files have it: models train with SSD",
		Lower: func(c *graph.Lower) []Value {
			past := c.In(3)
			h, n, p := intDim(past, 1), intDim(past, 2), intDim(past, 3)
			keys := func(i int) Value { return Reshape(c.In(i), 0, 0, h, n) }
			y, state := SSD(Reshape(c.In(2), 0, 0, h, p), c.In(4), keys(1), keys(0), Transpose(past, 0, 1, 3, 2), nil)
			return []Value{Reshape(y, 0, 0, h*p), Transpose(state, 0, 1, 3, 2)}
		},
	})
}

func inferLinearAttention(c *graph.Infer) error {
	if err := c.Want(3, graph.Float32, 4); err != nil {
		return err
	}
	if err := c.Want(0, graph.Float32, 3); err != nil {
		return err
	}
	h := graph.Const(c.Int("q_num_heads", 0))
	if c.Str("update_rule", "") != "gated" || c.Float("scale", 0) != 1 || c.Int("kv_num_heads", 0) != c.Int("q_num_heads", 0) {
		return fmt.Errorf("only the gated rule of scale 1 and as many keys as queries is supported")
	}
	b, l, s := c.Shape(0)[0], c.Shape(0)[1], c.Shape(3)
	keys, values := h.Mul(s[2]), h.Mul(s[3])
	for i, want := range []graph.Shape{{b, l, keys}, {b, l, keys}, {b, l, values}, {b, h, s[2], s[3]}, {b, l, h}} {
		if err := c.WantShape(i, graph.Float32, want...); err != nil {
			return err
		}
	}
	c.Out(0, graph.Float32, graph.Shape{b, l, values})
	c.Out(1, graph.Float32, s)
	return nil
}

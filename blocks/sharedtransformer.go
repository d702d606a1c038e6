package blocks

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// SharedTransformer is the pair of attention and feed-forward layer of Zamba2 (arXiv
// 2411.15242) whose weights several layers share, [B, L, D] → [B, L, D]. It has no residual
// connections; a model adds its result to what the next layer reads.
type SharedTransformer struct {
	DModel    int64
	Index     int64     // those of one index share weights
	Attention Attention // from 2·D to D
	Width     int64     // F of the feed-forward layer
	Rank      int64     // of the adapters by which each use of the feed-forward layer differs; 0 for none
	Adapters  bool      // the attention has adapters of that rank, too, of queries, keys and values
	Norm      Norm
}

// Forward reads the stream and the embedding side by side. State: that of the attention.
func (s SharedTransformer) Forward(c *Context, x Value) Value {
	if c.Embedded == nil {
		c.Embedded = x // a block alone: what it reads is all there is
	}
	ff, attention := s.adapters(c)
	back := c.G.Shared(fmt.Sprintf("shared.%d", s.Index))
	u := s.Norm.Forward(c, "norm_attention", op.Concat(2, x, c.Embedded), 2*s.DModel)
	leave := c.G.Scope("attention")
	u = attention.Forward(c, u)
	leave()
	u = s.Norm.Forward(c, "norm_ff", u, s.DModel)
	leave = c.G.Scope("ff")
	gates := ff.addTo(op.MatMul(u, c.Weight("gate_up", s.DModel, 2*s.Width)), u) // [B, L, 2·F]
	parts := op.Split(gates, -1, s.Width, s.Width)
	y := op.MatMul(op.Mul(op.Gelu(parts[0]), parts[1]), c.Weight("down", s.Width, s.DModel))
	leave()
	back()
	return op.MatMul(y, c.G.Param("linear.weight", residualInit(s.DModel), true, s.DModel, s.DModel))
}

// adapters are those of gate and up, and the attention with its own.
func (s SharedTransformer) adapters(c *Context) (ff Adapter, a Attention) {
	a = s.Attention
	if s.Rank == 0 {
		return ff, a
	}
	ff = s.adapter(c, "adapter", s.DModel, 2*s.Width)
	if s.Adapters {
		queries, keys := a.Heads*a.HeadDim, a.KVHeads*a.HeadDim
		a.Adapters = map[string]Adapter{
			"q_proj": s.adapter(c, "adapter_q", a.DModel, queries), "k_proj": s.adapter(c, "adapter_k", a.DModel, keys), "v_proj": s.adapter(c, "adapter_v", a.DModel, keys),
		}
	}
	return ff, a
}

// adapter starts as nothing: its second matrix is 0.
func (s SharedTransformer) adapter(c *Context, name string, in, out int64) Adapter {
	return Adapter{Down: c.Weight(name+"_down", in, s.Rank), Up: c.G.Param(name+"_up.weight", graph.Init{Scheme: "zeros"}, true, s.Rank, out)}
}

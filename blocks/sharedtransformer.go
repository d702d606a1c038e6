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
	Norm      Norm
}

// Forward reads the stream and the embedding side by side. State: that of the attention.
func (s SharedTransformer) Forward(c *Context, x Value) Value {
	if c.Embedded == nil {
		c.Embedded = x // a block alone: what it reads is all there is
	}
	down, up := s.adapter(c)
	back := c.G.Shared(fmt.Sprintf("shared.%d", s.Index))
	u := s.Norm.Forward(c, "norm_attention", op.Concat(2, x, c.Embedded), 2*s.DModel)
	leave := c.G.Scope("attention")
	u = s.Attention.Forward(c, u)
	leave()
	u = s.Norm.Forward(c, "norm_ff", u, s.DModel)
	leave = c.G.Scope("ff")
	gates := op.MatMul(u, c.Weight("gate_up", s.DModel, 2*s.Width)) // [B, L, 2·F]
	if down != nil {
		gates = op.Add(gates, op.MatMul(op.MatMul(u, down), up))
	}
	parts := op.Split(gates, -1, s.Width, s.Width)
	y := op.MatMul(op.Mul(op.Gelu(parts[0]), parts[1]), c.Weight("down", s.Width, s.DModel))
	leave()
	back()
	return op.MatMul(y, c.G.Param("linear.weight", residualInit(s.DModel), true, s.DModel, s.DModel))
}

// adapter is the product of two narrow matrices that is added to the weights of gate and
// up, [D, R] and [R, 2·F]; nil without one.
func (s SharedTransformer) adapter(c *Context) (down, up Value) {
	if s.Rank == 0 {
		return nil, nil
	}
	return c.Weight("adapter_down", s.DModel, s.Rank), c.G.Param("adapter_up.weight", graph.Init{Scheme: "zeros"}, true, s.Rank, 2*s.Width)
}

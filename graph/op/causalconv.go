package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// CausalConv is the depthwise causal convolution of the state-space blocks:
//
//	y[t, c] = bias[c] + Σ_j w[c, j] · x[t − (K−1) + j, c]
//
// x [B, L, C], w [C, K], bias [C] or nil, past [B, C, K−1] or nil for zeros holding the inputs
// before the first step, newest last → y [B, L, C] and the past of what follows [B, C, K−1].
// first, int64 [B, L] or nil, tells where the document of each step begins: inputs before it
// count as 0.
func CausalConv(x, w, bias, past, first Value) (y, next Value) {
	out := many(causalConv, nil, 2, x, w, bias, past, first)
	return out[0], out[1]
}

var causalConv, causalConvGrad *graph.Op

func init() {
	inputs := []graph.Arg{
		{Name: "x", Doc: "[B, L, C]"},
		{Name: "w", Doc: "[C, K], tap K−1 meets the newest input"},
		{Name: "bias", Doc: "[C]", Optional: true},
		{Name: "past", Doc: "[B, C, K−1], newest last; 0 when absent", Optional: true},
		firstArg,
	}
	causalConv = graph.Register(&graph.Op{
		Name: "CausalConv", Domain: graph.Domain, Since: 1,
		Doc:     "y[t, c] = bias[c] + Σ_j w[c, j] · x[t − (K−1) + j, c]",
		Inputs:  inputs,
		Outputs: []graph.Arg{{Name: "y", Doc: "[B, L, C]"}, {Name: "next", Doc: "the last K−1 inputs [B, C, K−1]"}},
		Infer: func(c *graph.Infer) error {
			if err := c.Want(0, graph.Float32, 3); err != nil {
				return err
			}
			if err := c.Want(1, graph.Float32, 2); err != nil {
				return err
			}
			x, k := c.Shape(0), c.Shape(1)[1]
			if n, ok := k.Int(); ok && n < 1 {
				return fmt.Errorf("w: %v has no tap", c.Shape(1))
			}
			past := graph.Shape{x[0], x[2], k.Sub(graph.Const(1))}
			if err := c.WantShape(1, graph.Float32, x[2], k); err != nil {
				return err
			}
			if err := c.WantShape(2, graph.Float32, x[2]); err != nil {
				return err
			}
			if err := c.WantShape(3, graph.Float32, past...); err != nil {
				return err
			}
			if err := wantFirst(c, 4, x[0], x[1]); err != nil {
				return err
			}
			c.Out(0, graph.Float32, x)
			c.Out(1, graph.Float32, past)
			return nil
		},
		Grad: func(c *graph.Grad) []Value {
			d := c.G.Apply(causalConvGrad, nil, 4, c.DOut[0], c.DOut[1], c.In(0), c.In(1), c.In(3), c.In(4))
			for i := 2; i < 4; i++ {
				if c.In(i) == nil {
					d[i] = nil
				}
			}
			return append(d, nil)[:len(c.Inputs)]
		},
		Lower: func(c *graph.Lower) []Value {
			if refuseFirst(c, 4) {
				return nil
			}
			x, w, bias, past := c.In(0), c.In(1), c.In(2), c.In(3)
			channels, k := intDim(w, 0), intDim(w, 1)
			if past == nil {
				past = zeros(x, channels, k-1)
			}
			all := Concat(2, past, Transpose(x, 0, 2, 1))
			y := Conv(all, Unsqueeze(w, 1), bias, channels)
			next := past
			if k > 1 {
				next = Slice(all, 2, -(k - 1), maxInt64)
			}
			return []Value{Transpose(y, 0, 2, 1), next}
		},
		InPlace: []int{-1, 3},
	})
	causalConvGrad = graph.Register(&graph.Op{
		Name: "CausalConvGrad", Domain: graph.Domain, Since: 1,
		Doc: "dx[s] = Σ_j w[K−1−j] · dy[s+j], dw[c, j] = Σ dy[t] · x[t−K+1+j], dbias = Σ dy",
		Inputs: []graph.Arg{
			{Name: "dy", Doc: "[B, L, C]", Optional: true},
			{Name: "dnext", Doc: "[B, C, K−1]", Optional: true},
			{Name: "x", Doc: "[B, L, C]"},
			{Name: "w", Doc: "[C, K]"},
			{Name: "past", Doc: "[B, C, K−1]", Optional: true},
			firstArg,
		},
		Outputs: []graph.Arg{
			{Name: "dx", Doc: "as x"}, {Name: "dw", Doc: "as w"}, {Name: "dbias", Doc: "[C]"}, {Name: "dpast", Doc: "as past"},
		},
		Infer: func(c *graph.Infer) error {
			c.Out(0, graph.Float32, c.Shape(2))
			c.Out(1, graph.Float32, c.Shape(3))
			c.Out(2, graph.Float32, c.Shape(3)[:1])
			x, w := c.Shape(2), c.Shape(3)
			c.Out(3, graph.Float32, graph.Shape{x[0], x[2], w[1].Sub(graph.Const(1))})
			return nil
		},
		NoGrad: "second derivatives are not built", NoLower: trainingOnly,
	})
}

// maxInt64 as an end means "to the end of the axis".
const maxInt64 = 1<<63 - 1

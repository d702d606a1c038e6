package op

import "github.com/moezoo/moezoo/graph"

// RGLRU is the real-gated linear recurrent unit (arXiv 2402.19427, equation 4) with the
// state as explicit input and output, channel by channel:
//
//	a[t] = e^decay[t],   h[t] = a[t]·h[t−1] + √(1 − a[t]²)·x[t]
//
// and h[t] = x[t] at position 0, where nothing is remembered. x, the gated input, and decay, at most
// 0, [B, L, W]; position, int64 [B, L], of each token in its document; past [B, W] or nil for zeros
// → h [B, L, W] and the state after the last step.
func RGLRU(x, decay, position, past Value) (h, state Value) {
	out := many(rglru, nil, 2, x, decay, position, past)
	return out[0], out[1]
}

var rglru, rglruGrad *graph.Op

func init() {
	inputs := []graph.Arg{
		{Name: "x", Doc: "[B, L, W]"},
		{Name: "decay", Doc: "logarithm of what is kept, [B, L, W]"},
		{Name: "position", Doc: "int64 [B, L], 0 where a document begins"},
		{Name: "past", Doc: "state before the first step [B, W], 0 when absent", Optional: true},
	}
	rglru = graph.Register(&graph.Op{
		Name: "RGLRU", Domain: graph.Domain, Since: 1,
		Doc:    "h[t] = a·h[t−1] + √(1 − a²)·x[t], a = e^decay[t]; h[t] = x[t] where position is 0",
		Inputs: inputs,
		Outputs: []graph.Arg{
			{Name: "h", Doc: "[B, L, W]"}, {Name: "state", Doc: "after the last step [B, W]"},
		},
		Infer: func(c *graph.Infer) error {
			if err := c.Want(0, graph.Float32, 3); err != nil {
				return err
			}
			x := c.Shape(0)
			if err := c.WantShape(1, graph.Float32, x...); err != nil {
				return err
			}
			if err := c.WantShape(2, graph.Int64, x[0], x[1]); err != nil {
				return err
			}
			state := graph.Shape{x[0], x[2]}
			if err := c.WantShape(3, graph.Float32, state...); err != nil {
				return err
			}
			c.Out(0, graph.Float32, x)
			c.Out(1, graph.Float32, state)
			return nil
		},
		Grad: func(c *graph.Grad) []Value {
			in := append([]Value{c.DOut[0], c.DOut[1], c.Out(0)}, c.Inputs...)
			d := c.G.Apply(rglruGrad, nil, 3, in...)
			return []Value{d[0], d[1], nil, d[2]}[:len(c.Inputs)]
		},
		Lower:   lowerRGLRU,
		InPlace: []int{-1, 3},
	})
	rglruGrad = graph.Register(&graph.Op{
		Name: "RGLRUGrad", Domain: graph.Domain, Since: 1,
		Doc: "S[t] = dh[t] + a[t+1]·S[t+1]: dx = √(1 − a²)·S, ddecay = a·h[t−1]·S − a²/√max(1 − a², ¼·10⁻⁶)·x·S, dpast = a[0]·S[0]",
		Inputs: append([]graph.Arg{
			{Name: "dh", Doc: "[B, L, W]", Optional: true},
			{Name: "dstate", Doc: "[B, W]", Optional: true},
			{Name: "h", Doc: "of the forward pass"},
		}, inputs...),
		Outputs: []graph.Arg{{Name: "dx", Doc: "as x"}, {Name: "ddecay", Doc: "as decay"}, {Name: "dpast", Doc: "[B, W]"}},
		Infer: func(c *graph.Infer) error {
			x := c.Shape(3)
			c.Out(0, graph.Float32, x)
			c.Out(1, graph.Float32, x)
			c.Out(2, graph.Float32, graph.Shape{x[0], x[2]})
			return nil
		},
		NoGrad: "second derivatives are not built", NoLower: trainingOnly,
	})
}

// lowerRGLRU computes factors and inputs for all steps at once and writes one Scan with a
// body of a product and a sum.
func lowerRGLRU(c *graph.Lower) []Value {
	x, decay, position, past := c.In(0), c.In(1), c.In(2), c.In(3)
	if past == nil {
		past = zeros(x, intDim(x, 2))
	}
	unit := c.G.Float(1)
	a := Exp(decay)
	begins := Unsqueeze(Equal(position, c.G.Int64(0)), 2) // [B, L, 1]
	input := Where(begins, x, Mul(x, Sqrt(Mul(Sub(unit, a), Add(unit, a)))))
	a = Where(begins, c.G.Float(0), a)
	step := func(_ *graph.Graph, states, in []Value) ([]Value, []Value) {
		h := Add(Mul(in[0], states[0]), in[1])
		return []Value{h}, []Value{Identity(h)}
	}
	h, state := alongTime(step, past, Transpose(a, 1, 0, 2), Transpose(input, 1, 0, 2))
	return []Value{Transpose(h, 1, 0, 2), state}
}

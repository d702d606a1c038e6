package op

import "github.com/moezoo/moezoo/graph"

// DiagonalScanChunk is the number of steps between the states that DiagonalScan keeps for
// its gradient.
const DiagonalScanChunk = 16

// DiagonalScan is a linear recurrence with complex modes that do not change in time, as S4D
// (arXiv 2206.11893) and S5 (arXiv 2208.04933) have, in real arithmetic: complex numbers are
// pairs along the last axis.
//
//	h[t, c, m] = a[c, m]·h[t−1, c, m] + u[t, c],   y[t, o, c] = Re Σ_m w[o, c, m]·h[t, c, m]
//
// u [B, L, C] real, a [C, M, 2], w [O, C, M, 2], past [B, C, M, 2] or nil for zeros → y
// [B, L, O, C] and the state after the last step [B, C, M, 2].
//
// first, int64 [B, L] or nil, tells where the document of each token begins: the state is 0
// before each but the first of a row.
func DiagonalScan(u, a, w, past, first Value) (y, state Value) {
	out := many(diagonalScan, nil, 3, u, a, w, past, first)
	return out[0], out[1]
}

var diagonalScan, diagonalScanGrad *graph.Op

func init() {
	inputs := []graph.Arg{
		{Name: "u", Doc: "[B, L, C]"},
		{Name: "a", Doc: "factor of each mode per step [C, M, 2]"},
		{Name: "w", Doc: "weight of each mode in each output [O, C, M, 2]"},
		{Name: "past", Doc: "state before the first step [B, C, M, 2], 0 when absent", Optional: true},
		firstArg,
	}
	diagonalScan = graph.Register(&graph.Op{
		Name: "DiagonalScan", Domain: graph.Domain, Since: 1,
		Doc:    "h[t] = a · h[t−1] + u[t]; y[t, o] = Re Σ_m w[o, m] · h[t, m], in complex numbers",
		Inputs: inputs,
		Outputs: []graph.Arg{
			{Name: "y", Doc: "[B, L, O, C]"},
			{Name: "state", Doc: "after the last step [B, C, M, 2]"},
			{Name: "checkpoints", Doc: "states before every 16th step [B, ⌈L/16⌉, M, 2, C]", Optional: true},
		},
		Infer: func(c *graph.Infer) error {
			if err := wantDiagonal(c); err != nil {
				return err
			}
			u, w := c.Shape(0), c.Shape(2)
			c.Out(0, graph.Float32, graph.Shape{u[0], u[1], w[0], u[2]})
			c.Out(1, graph.Float32, graph.Shape{u[0], u[2], w[2], graph.Const(2)})
			c.Out(2, graph.Float32, graph.Shape{u[0], u[1].CeilDiv(graph.Const(DiagonalScanChunk)), w[2], graph.Const(2), u[2]})
			return nil
		},
		Grad: func(c *graph.Grad) []Value {
			d := c.G.Apply(diagonalScanGrad, nil, 4, append([]Value{c.DOut[0], c.DOut[1], c.Out(2)}, c.Inputs...)...)
			if c.In(3) == nil {
				d[3] = nil
			}
			return append(d, nil)[:len(c.Inputs)]
		},
		Lower:   lowerDiagonalScan,
		InPlace: []int{-1, 3},
	})
	diagonalScanGrad = graph.Register(&graph.Op{
		Name: "DiagonalScanGrad", Domain: graph.Domain, Since: 1,
		Doc: "the gradients of DiagonalScan, recomputing states inside each chunk of 16 steps",
		Inputs: append([]graph.Arg{
			{Name: "dy", Doc: "[B, L, O, C]", Optional: true},
			{Name: "dstate", Doc: "[B, C, M, 2]", Optional: true},
			{Name: "checkpoints", Doc: "of the forward pass"},
		}, inputs...),
		Outputs: []graph.Arg{{Name: "du", Doc: "as u"}, {Name: "da", Doc: "as a"}, {Name: "dw", Doc: "as w"}, {Name: "dpast", Doc: "as past"}},
		Infer: func(c *graph.Infer) error {
			for i := range 3 {
				c.Out(i, graph.Float32, c.Shape(i+3))
			}
			u, a := c.Shape(3), c.Shape(4)
			c.Out(3, graph.Float32, graph.Shape{u[0], a[0], a[1], a[2]})
			return nil
		},
		NoGrad: "second derivatives are not built", NoLower: trainingOnly,
	})
}

func wantDiagonal(c *graph.Infer) error {
	if err := c.Want(0, graph.Float32, 3); err != nil {
		return err
	}
	if err := c.Want(2, graph.Float32, 4); err != nil {
		return err
	}
	u, w := c.Shape(0), c.Shape(2)
	modes := []graph.Dim{u[2], w[2], graph.Const(2)}
	if err := c.WantShape(1, graph.Float32, modes...); err != nil {
		return err
	}
	if err := c.WantShape(2, graph.Float32, append([]graph.Dim{w[0]}, modes...)...); err != nil {
		return err
	}
	if err := c.WantShape(3, graph.Float32, append([]graph.Dim{u[0]}, modes...)...); err != nil {
		return err
	}
	return wantFirst(c, 4, u[0], u[1])
}

// lowerDiagonalScan writes one Scan over time with the real and imaginary parts as two
// states [B, M, C], the channels innermost, so that every step is elementwise over contiguous
// memory.
func lowerDiagonalScan(c *graph.Lower) []Value {
	if refuseFirst(c, 4) {
		return nil
	}
	u, a, w, past := c.In(0), c.In(1), c.In(2), c.In(3)
	channels, modes := intDim(a, 0), intDim(a, 1)
	if c.G.Err() != nil { // a size that is no number
		return nil
	}
	if past == nil {
		past = zeros(u, channels, modes, 2)
	}
	// halves are the real and imaginary parts of x [..., C, M, 2] as [..., M, C].
	halves := func(x Value) (re, im Value) {
		perm := []int64{1, 0}
		if x.Rank() == 4 {
			perm = []int64{0, 2, 1}
		}
		parts := Split(x, -1, 1, 1)
		return Transpose(Squeeze(parts[0], -1), perm...), Transpose(Squeeze(parts[1], -1), perm...)
	}
	aRe, aIm := halves(a)
	wRe, wIm := halves(w) // [O, M, C]
	step := func(_ *graph.Graph, states, in []Value) ([]Value, []Value) {
		re, im := states[0], states[1]
		re2 := Add(Sub(Mul(aRe, re), Mul(aIm, im)), in[0])
		im2 := Add(Mul(aRe, im), Mul(aIm, re))
		terms := Sub(Mul(wRe, Unsqueeze(re2, 1)), Mul(wIm, Unsqueeze(im2, 1))) // [B, O, M, C]
		return []Value{re2, im2}, []Value{ReduceSum(terms, []int64{2}, false)}
	}
	re, im := halves(past)
	states, ys := Scan(step, []Value{re, im}, []Value{Unsqueeze(Transpose(u, 1, 0, 2), 2)}) // u [L, B, 1, C], y [L, B, O, C]
	if c.G.Err() != nil {
		return nil
	}
	last := Concat(3, Unsqueeze(Transpose(states[0], 0, 2, 1), 3), Unsqueeze(Transpose(states[1], 0, 2, 1), 3))
	return []Value{Transpose(ys[0], 1, 0, 2, 3), last}
}

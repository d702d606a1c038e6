package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// DeltaChunk is the number of steps between the states that GatedDelta keeps for its
// gradient.
const DeltaChunk = 64

// GatedDelta is the gated delta rule (arXiv 2412.06464) with the state as explicit input
// and output. For each head, with keys as rows and values as columns of S:
//
//	S ← e^decay[t]·S,   u = β[t]·(v[t] − Sᵀk[t]),   S ← S + k[t] ⊗ u,   o[t] = Sᵀq[t]
//
// q and k [B, L, Hk, Dk], v [B, L, Hv, Dv], where value head h reads key head h·Hk/Hv; decay,
// at most 0, and beta [B, L, Hv]; past [B, Hv, Dk, Dv] or nil for zeros → o [B, L, Hv, Dv] and
// the state after the last step.
//
// first, int64 [B, L] or nil, tells where the document of each token begins: the state is 0
// before each but the first of a row.
func GatedDelta(q, k, v, decay, beta, past, first Value) (o, state Value) {
	out := many(gatedDelta, nil, 3, q, k, v, decay, beta, past, first)
	return out[0], out[1]
}

var gatedDelta, gatedDeltaGrad *graph.Op

func init() {
	inputs := []graph.Arg{
		{Name: "q", Doc: "[B, L, Hk, Dk]"},
		{Name: "k", Doc: "[B, L, Hk, Dk]"},
		{Name: "v", Doc: "[B, L, Hv, Dv]"},
		{Name: "decay", Doc: "logarithm of what is kept, [B, L, Hv]"},
		{Name: "beta", Doc: "[B, L, Hv]"},
		{Name: "past", Doc: "state before the first step [B, Hv, Dk, Dv], 0 when absent", Optional: true},
		firstArg,
	}
	gatedDelta = graph.Register(&graph.Op{
		Name: "GatedDelta", Domain: graph.Domain, Since: 1,
		Doc:    "S = e^decay·S; u = β·(v − Sᵀk); S = S + k ⊗ u; o = Sᵀq, step by step",
		Inputs: inputs,
		Outputs: []graph.Arg{
			{Name: "o", Doc: "[B, L, Hv, Dv]"},
			{Name: "state", Doc: "after the last step [B, Hv, Dk, Dv]"},
			{Name: "checkpoints", Doc: "states before every 64th step [B, ⌈L/64⌉, Hv, Dk, Dv]", Optional: true},
		},
		Infer: func(c *graph.Infer) error {
			if err := wantDelta(c); err != nil {
				return err
			}
			q, v := c.Shape(0), c.Shape(2)
			c.Out(0, graph.Float32, v)
			c.Out(1, graph.Float32, graph.Shape{v[0], v[2], q[3], v[3]})
			c.Out(2, graph.Float32, graph.Shape{v[0], v[1].CeilDiv(graph.Const(DeltaChunk)), v[2], q[3], v[3]})
			return nil
		},
		Grad: func(c *graph.Grad) []Value {
			in := append([]Value{c.DOut[0], c.DOut[1], c.Out(2)}, c.Inputs...)
			d := c.G.Apply(gatedDeltaGrad, nil, 6, in...)
			if c.In(5) == nil {
				d[5] = nil
			}
			return append(d, nil)[:len(c.Inputs)]
		},
		Lower:   lowerGatedDelta,
		InPlace: []int{-1, 5},
	})
	gatedDeltaGrad = graph.Register(&graph.Op{
		Name: "GatedDeltaGrad", Domain: graph.Domain, Since: 1,
		Doc: "the gradients of GatedDelta, chunk by chunk as products of matrices",
		Inputs: append([]graph.Arg{
			{Name: "do", Doc: "[B, L, Hv, Dv]", Optional: true},
			{Name: "dstate", Doc: "[B, Hv, Dk, Dv]", Optional: true},
			{Name: "checkpoints", Doc: "of the forward pass"},
		}, inputs...),
		Outputs: []graph.Arg{
			{Name: "dq", Doc: "as q"},
			{Name: "dk", Doc: "as k"},
			{Name: "dv", Doc: "as v"},
			{Name: "ddecay", Doc: "as decay"},
			{Name: "dbeta", Doc: "as beta"},
			{Name: "dpast", Doc: "as past"},
		},
		Infer: func(c *graph.Infer) error {
			for i := range 5 {
				c.Out(i, graph.Float32, c.Shape(i+3))
			}
			q, v := c.Shape(3), c.Shape(5)
			c.Out(5, graph.Float32, graph.Shape{v[0], v[2], q[3], v[3]})
			return nil
		},
		NoGrad: "second derivatives are not built", NoLower: trainingOnly,
	})
}

func wantDelta(c *graph.Infer) error {
	for _, i := range []int{0, 2} {
		if err := c.Want(i, graph.Float32, 4); err != nil {
			return err
		}
	}
	q, v := c.Shape(0), c.Shape(2)
	if hk, ok := q[2].Int(); ok {
		if hv, isInt := v[2].Int(); isInt && (hk < 1 || hv%hk != 0) {
			return fmt.Errorf("%d key heads do not divide %d value heads", hk, hv)
		}
	}
	for _, want := range []struct {
		i     int
		shape []graph.Dim
	}{
		{1, q}, {2, []graph.Dim{q[0], q[1], v[2], v[3]}}, {3, v[:3]}, {4, v[:3]}, {5, []graph.Dim{v[0], v[2], q[3], v[3]}},
	} {
		if err := c.WantShape(want.i, graph.Float32, want.shape...); err != nil {
			return err
		}
	}
	return wantFirst(c, 6, q[0], q[1])
}

// lowerGatedDelta writes one Scan over time on the state [B, Hk, Hv/Hk, Dk, Dv]. The chunked form
// needs the inverse of a triangular matrix, for which ONNX has no operator; written as a
// product of powers it loses all digits.
func lowerGatedDelta(c *graph.Lower) []Value {
	if refuseFirst(c, 6) {
		return nil
	}
	q, k, v, decay, beta, past := c.In(0), c.In(1), c.In(2), c.In(3), c.In(4), c.In(5)
	hk, dk, hv, dv := intDim(q, 2), intDim(q, 3), intDim(v, 2), intDim(v, 3)
	if c.G.Err() != nil { // a size that is no number
		return nil
	}
	r := hv / hk
	if past == nil {
		past = zeros(q, hv, dk, dv)
	}
	early := func(x Value) Value { return Transpose(x, 1, 0, 2, 3) } // [B, L, …] → [L, B, …]
	key := func(x Value) Value { return Unsqueeze(early(x), 3, 4) }  // [L, B, Hk, 1, 1, Dk]
	value := func(x Value) Value { return Reshape(early(x), 0, 0, hk, r, 1, dv) }
	each := func(x Value) Value { return Reshape(Transpose(x, 1, 0, 2), 0, 0, hk, r, 1, 1) }
	step := func(_ *graph.Graph, states, in []Value) ([]Value, []Value) {
		qt, kt, vt, dt, bt := in[0], in[1], in[2], in[3], in[4]
		s := Mul(states[0], dt)
		u := Mul(Sub(vt, MatMul(kt, s)), bt) // [B, Hk, r, 1, Dv]
		s = Add(s, Mul(swapLast(kt), u))
		return []Value{s}, []Value{MatMul(qt, s)}
	}
	o, state := alongTime(step, Reshape(past, 0, hk, r, dk, dv), key(q), key(k), value(v), each(Exp(decay)), each(beta))
	return []Value{Transpose(Reshape(o, 0, 0, hv, dv), 1, 0, 2, 3), Reshape(state, 0, hv, dk, dv)}
}

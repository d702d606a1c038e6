package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// ScanLanes is the multiple up to which the channels of a group are padded in those states, for vector
// kernels.
const ScanLanes = 16

// ScanChunk is the number of steps between the states that SelectiveScan keeps for
// its gradient.
const ScanChunk = 16

// SelectiveScan is the recurrence of Mamba-1 (arXiv 2312.00752, algorithm 2) with the
// state as explicit input and output:
//
//	h[t] = exp(Δ[t]·A) ⊙ h[t−1] + (Δ[t]·u[t]) ⊗ B[t],   y[t] = h[t]·C[t] + D ⊙ u[t]
//
// u and delta [B, L, D], a [D, N] (negative), b and c [B, L, G, N] where channel d reads
// group ⌊d·G/D⌋, skip [D] or nil, past [B, D, N] or nil for zeros → y [B, L, D] and the state after the
// last step [B, D, N].
//
// first, int64 [B, L] or nil, tells where the document of each token begins: the state is 0
// before each but the first of a row.
func SelectiveScan(u, delta, a, b, c, skip, past, first Value) (y, state Value) {
	out := many(selectiveScan, nil, 3, u, delta, a, b, c, skip, past, first)
	return out[0], out[1]
}

var selectiveScan, selectiveScanGrad *graph.Op

var scanInputs = []graph.Arg{
	{Name: "u", Doc: "[B, L, D]"},
	{Name: "delta", Doc: "step sizes after softplus, [B, L, D]"},
	{Name: "a", Doc: "[D, N], negative"},
	{Name: "b", Doc: "[B, L, G, N]"},
	{Name: "c", Doc: "[B, L, G, N]"},
	{Name: "d", Doc: "skip weights [D]", Optional: true},
	{Name: "past", Doc: "state before the first step [B, D, N], 0 when absent", Optional: true},
	firstArg,
}

func init() {
	selectiveScan = graph.Register(&graph.Op{
		Name: "SelectiveScan", Domain: graph.Domain, Since: 1,
		Doc:    "h[t] = exp(Δ[t]·A) ⊙ h[t−1] + (Δ[t]·u[t]) ⊗ B[t]; y[t] = h[t]·C[t] + D ⊙ u[t]",
		Inputs: scanInputs,
		Outputs: []graph.Arg{
			{Name: "y", Doc: "[B, L, D]"},
			{Name: "state", Doc: "after the last step [B, D, N]"},
			{Name: "checkpoints", Doc: "states before every 16th step, in the backend's layout, as large as [B, ⌈L/16⌉, G·16·⌈D/G/16⌉, N]", Optional: true},
		},
		Infer: func(c *graph.Infer) error {
			if err := wantScan(c); err != nil {
				return err
			}
			u, a := c.Shape(0), c.Shape(2)
			c.Out(0, graph.Float32, u)
			c.Out(1, graph.Float32, graph.Shape{u[0], a[0], a[1]})
			lanes, groups := graph.Const(ScanLanes), c.Shape(3)[2]
			c.Out(2, graph.Float32, graph.Shape{u[0], u[1].CeilDiv(graph.Const(ScanChunk)), a[0].FloorDiv(groups).CeilDiv(lanes).Mul(lanes).Mul(groups), a[1]})
			return nil
		},
		Grad:    gradSelectiveScan,
		Lower:   lowerSelectiveScan,
		InPlace: []int{-1, 6},
	})
	selectiveScanGrad = graph.Register(&graph.Op{
		Name: "SelectiveScanGrad", Domain: graph.Domain, Since: 1,
		Doc: "the gradients of SelectiveScan, recomputing states inside each chunk of 16 steps",
		Inputs: append([]graph.Arg{
			{Name: "dy", Doc: "[B, L, D]", Optional: true},
			{Name: "dstate", Doc: "[B, D, N]", Optional: true},
			{Name: "checkpoints", Doc: "of the forward pass"},
		}, scanInputs...),
		Outputs: []graph.Arg{
			{Name: "du", Doc: "as u"},
			{Name: "ddelta", Doc: "as delta"},
			{Name: "da", Doc: "as a"},
			{Name: "db", Doc: "as b"},
			{Name: "dc", Doc: "as c"},
			{Name: "dd", Doc: "[D]"},
			{Name: "dpast", Doc: "as past"},
		},
		Infer: func(c *graph.Infer) error {
			for i := range 5 {
				c.Out(i, graph.Float32, c.Shape(i+3))
			}
			u, a := c.Shape(3), c.Shape(5)
			c.Out(5, graph.Float32, a[:1])
			c.Out(6, graph.Float32, graph.Shape{u[0], a[0], a[1]})
			return nil
		},
		NoGrad: "second derivatives are not built", NoLower: trainingOnly,
	})
}

// trainingOnly is why gradient operators have no lowering.
const trainingOnly = "it is part of training only, and files hold inference graphs"

func wantScan(c *graph.Infer) error {
	if err := c.Want(0, graph.Float32, 3); err != nil {
		return err
	}
	if err := c.Want(2, graph.Float32, 2); err != nil {
		return err
	}
	if err := c.Want(3, graph.Float32, 4); err != nil {
		return err
	}
	u, n, groups := c.Shape(0), c.Shape(2)[1], c.Shape(3)[2]
	if err := wantFirst(c, 7, u[0], u[1]); err != nil {
		return err
	}
	if g, ok := groups.Int(); ok {
		if d, isInt := u[2].Int(); isInt && (g < 1 || d%g != 0) {
			return fmt.Errorf("b: %d groups do not divide %d channels", g, d)
		}
	}
	bc := []graph.Dim{u[0], u[1], groups, n}
	for _, want := range []struct {
		i     int
		shape []graph.Dim
	}{{1, u}, {2, []graph.Dim{u[2], n}}, {3, bc}, {4, bc}, {5, []graph.Dim{u[2]}}, {6, []graph.Dim{u[0], u[2], n}}} {
		if err := c.WantShape(want.i, graph.Float32, want.shape...); err != nil {
			return err
		}
	}
	return nil
}

func gradSelectiveScan(c *graph.Grad) []Value {
	in := append([]Value{c.DOut[0], c.DOut[1], c.Out(2)}, c.Inputs...)
	d := c.G.Apply(selectiveScanGrad, nil, 7, in...)
	for i := 5; i < 7; i++ {
		if c.In(i) == nil {
			d[i] = nil
		}
	}
	return append(d, nil)[:len(c.Inputs)]
}

// lowerSelectiveScan writes one Scan over time whose body has six nodes. The state
// stands as [B, N, D] with the channels innermost, so that every step is elementwise
// over contiguous memory; everything that does not depend on the state is computed
// outside for all steps at once. With G > 1 groups the state is [B, G, N, D/G].
func lowerSelectiveScan(c *graph.Lower) []Value {
	if refuseFirst(c, 7) {
		return nil
	}
	u, delta, a, b, cc, skip, past := c.In(0), c.In(1), c.In(2), c.In(3), c.In(4), c.In(5), c.In(6)
	d, n, g := intDim(u, 2), intDim(a, 1), intDim(b, 2)
	if c.G.Err() != nil { // a size that is no number
		return nil
	}
	at := Transpose(a, 1, 0) // [N, D]
	if past == nil {
		past = zeros(u, d, n)
	}
	h0 := Transpose(past, 0, 2, 1)
	row := func(x Value) Value { return Unsqueeze(Transpose(x, 1, 0, 2), 2) } // [B,L,D] → [L,B,1,D]
	column := func(x Value) Value { return Unsqueeze(Squeeze(Transpose(x, 1, 0, 2, 3), 2), 3) }
	wide := func(x Value) Value { return Transpose(x, 1, 0, 2, 3) } // [B,L,1,N] → [L,B,1,N]
	if g > 1 {
		at = Transpose(Reshape(at, n, g, d/g), 1, 0, 2)       // [G, N, D/G]
		h0 = Transpose(Reshape(h0, 0, n, g, d/g), 0, 2, 1, 3) // [B, G, N, D/G]
		row = func(x Value) Value { return Unsqueeze(Reshape(Transpose(x, 1, 0, 2), 0, 0, g, d/g), 3) }
		column = func(x Value) Value { return Unsqueeze(Transpose(x, 1, 0, 2, 3), 4) }
		wide = func(x Value) Value { return Unsqueeze(Transpose(x, 1, 0, 2, 3), 3) }
	}
	step := func(_ *graph.Graph, states, in []Value) ([]Value, []Value) {
		dt, du, bt, ct := in[0], in[1], in[2], in[3]
		h := Add(Mul(Exp(Mul(dt, at)), states[0]), Mul(bt, du))
		return []Value{h}, []Value{MatMul(ct, h)}
	}
	y, state := alongTime(step, h0, row(delta), row(Mul(delta, u)), column(b), wide(cc)) // y [L, B, 1, D] or [L, B, G, 1, D/G]
	if g > 1 {
		y = Reshape(y, 0, 0, 1, d)
		state = Reshape(Transpose(state, 0, 2, 1, 3), 0, n, d)
	}
	y = Transpose(Squeeze(y, 2), 1, 0, 2)
	if skip != nil {
		y = Add(y, Mul(u, skip))
	}
	return []Value{y, Transpose(state, 0, 2, 1)}
}

// alongTime runs a step over the first axis of its inputs. A single step, known as such,
// needs no loop.
func alongTime(step func(b *graph.Graph, states, in []Value) ([]Value, []Value), h0 Value, in ...Value) (y, state Value) {
	if in[0].Dim(0).Is(1) {
		for i := range in {
			in[i] = Squeeze(in[i], 0)
		}
		states, ys := step(nil, []Value{h0}, in)
		return Unsqueeze(ys[0], 0), states[0]
	}
	states, ys := Scan(step, []Value{h0}, in)
	if h0.Graph().Err() != nil {
		return in[0], h0 // the mistake is told already
	}
	return ys[0], states[0]
}

// zeros is a float tensor [B, dims...] of zeros, with the batch of x.
func zeros(x Value, dims ...int64) Value {
	shape := Concat(0, Slice(ShapeOf(x), 0, 0, 1), x.Graph().Int64s(dims...))
	return ConstantOfShape(shape, graph.Floats([]int{1}, 0))
}

// intDim is an extent that lowerings need as a number.
func intDim(x Value, axis int) int64 {
	n, ok := x.Dim(axis).Int()
	if !ok {
		x.Graph().Fail(fmt.Errorf("axis %d of %v must be a number", axis, x.Shape()))
	}
	return n
}

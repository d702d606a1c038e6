package op

import (
	"fmt"
	"math"

	"github.com/moezoo/moezoo/graph"
)

// SSDChunk is the number of steps that SSD handles as one product, and between the states
// that it keeps for its gradient.
const SSDChunk = 64

// SSD is the state-space duality of Mamba-2 (arXiv 2405.21060): the recurrence whose state
// decays by one factor per step and head,
//
//	h[t] = exp(decay[t])·h[t−1] + x[t] ⊗ b[t],   y[t] = h[t]·c[t]
//
// x [B, L, H, P], decay [B, L, H] (a logarithm, ≤ 0), b and c [B, L, G, N] where head h reads
// group ⌊h·G/H⌋, past [B, H, P, N] or nil for zeros → y [B, L, H, P] and the state after the
// last step [B, H, P, N].
//
// first, int64 [B, L] or nil, tells where the document of each token begins: the state is 0
// before each but the first of a row.
func SSD(x, decay, b, c, past, first Value) (y, state Value) {
	out := many(ssd, nil, 3, x, decay, b, c, past, first)
	return out[0], out[1]
}

var ssd, ssdGrad *graph.Op

func init() {
	inputs := []graph.Arg{
		{Name: "x", Doc: "[B, L, H, P]"},
		{Name: "decay", Doc: "logarithm of the factor by which a step keeps the state, [B, L, H], ≤ 0"},
		{Name: "b", Doc: "[B, L, G, N]"},
		{Name: "c", Doc: "[B, L, G, N]"},
		{Name: "past", Doc: "state before the first step [B, H, P, N], 0 when absent", Optional: true},
		firstArg,
	}
	ssd = graph.Register(&graph.Op{
		Name: "SSD", Domain: graph.Domain, Since: 1,
		Doc:    "h[t] = exp(decay[t]) · h[t−1] + x[t] ⊗ b[t]; y[t] = h[t] · c[t]",
		Inputs: inputs,
		Outputs: []graph.Arg{
			{Name: "y", Doc: "[B, L, H, P]"},
			{Name: "state", Doc: "after the last step [B, H, P, N]"},
			{Name: "checkpoints", Doc: "states before every 64th step [B, ⌈L/64⌉, H, P, N]", Optional: true},
		},
		Infer: func(c *graph.Infer) error {
			if err := wantSSD(c); err != nil {
				return err
			}
			x, n := c.Shape(0), c.Shape(2)[3]
			c.Out(0, graph.Float32, x)
			c.Out(1, graph.Float32, graph.Shape{x[0], x[2], x[3], n})
			c.Out(2, graph.Float32, graph.Shape{x[0], x[1].CeilDiv(graph.Const(SSDChunk)), x[2], x[3], n})
			return nil
		},
		Grad: func(c *graph.Grad) []Value {
			d := c.G.Apply(ssdGrad, nil, 5, append([]Value{c.DOut[0], c.DOut[1], c.Out(2)}, c.Inputs...)...)
			if c.In(4) == nil {
				d[4] = nil
			}
			return append(d, nil)[:len(c.Inputs)]
		},
		Lower:   lowerSSD,
		InPlace: []int{-1, 4},
	})
	ssdGrad = graph.Register(&graph.Op{
		Name: "SSDGrad", Domain: graph.Domain, Since: 1, Doc: "the gradients of SSD, a chunk of 64 steps as products of matrices",
		Inputs: append([]graph.Arg{
			{Name: "dy", Doc: "[B, L, H, P]", Optional: true},
			{Name: "dstate", Doc: "[B, H, P, N]", Optional: true},
			{Name: "checkpoints", Doc: "of the forward pass"},
		}, inputs...),
		Outputs: []graph.Arg{
			{Name: "dx", Doc: "as x"}, {Name: "ddecay", Doc: "as decay"}, {Name: "db", Doc: "as b"}, {Name: "dc", Doc: "as c"}, {Name: "dpast", Doc: "as past"},
		},
		Infer: func(c *graph.Infer) error {
			for i := range 4 {
				c.Out(i, graph.Float32, c.Shape(i+3))
			}
			x, n := c.Shape(3), c.Shape(5)[3]
			c.Out(4, graph.Float32, graph.Shape{x[0], x[2], x[3], n})
			return nil
		},
		NoGrad: "second derivatives are not built", NoLower: trainingOnly,
	})
}

func wantSSD(c *graph.Infer) error {
	if err := c.Want(0, graph.Float32, 4); err != nil {
		return err
	}
	if err := c.Want(2, graph.Float32, 4); err != nil {
		return err
	}
	x, b := c.Shape(0), c.Shape(2)
	if g, ok := b[2].Int(); ok {
		if h, isInt := x[2].Int(); isInt && (g < 1 || h%g != 0) {
			return fmt.Errorf("b: %d groups do not divide %d heads", g, h)
		}
	}
	for _, want := range []struct {
		i     int
		shape []graph.Dim
	}{{1, x[:3]}, {2, []graph.Dim{x[0], x[1], b[2], b[3]}}, {3, b}, {4, []graph.Dim{x[0], x[2], x[3], b[3]}}} {
		if err := c.WantShape(want.i, graph.Float32, want.shape...); err != nil {
			return err
		}
	}
	return wantFirst(c, 5, x[0], x[1])
}

// lowerSSD writes chunks of q = min(L, 64) steps as products of matrices, all chunks at
// once, and a Scan over the states between them: one graph serves prefill and single steps.
// The logarithms are summed from each step on (a cumulative sum of a masked matrix), because
// differences of long sums lose digits; steps that fill up the last chunk decay nothing and
// add nothing. R = H/G heads read one group.
func lowerSSD(c *graph.Lower) []Value {
	if refuseFirst(c, 5) {
		return nil
	}
	x, past := c.In(0), c.In(4)
	h, p, g, n := intDim(x, 2), intDim(x, 3), intDim(c.In(2), 2), intDim(c.In(2), 3)
	if c.G.Err() != nil { // a size that is no number
		return nil
	}
	if past == nil {
		past = zeros(x, h, p, n)
	}
	k := chunksOf(x, SSDChunk)
	u := Transpose(k.cut(x, g, h/g, p), 0, 1, 3, 4, 2, 5)             // [B, nc, G, R, q, P]
	decay := Transpose(k.cut(c.In(1), g, h/g), 0, 1, 3, 4, 2)         // [B, nc, G, R, q]
	b := Unsqueeze(Transpose(k.cut(c.In(2), g, n), 0, 1, 3, 2, 4), 3) // [B, nc, G, 1, q, N]
	cc := Unsqueeze(Transpose(k.cut(c.In(3), g, n), 0, 1, 3, 2, 4), 3)

	across := k.decayAcross(decay)                          // [B, nc, G, R, q, q]
	since := Unsqueeze(Exp(CumSum(decay, 4)), 5)            // [B, nc, G, R, q, 1], of the state before
	until := Unsqueeze(Gather(across, c.G.Int64(-1), 4), 5) // [B, nc, G, R, q, 1], of a step at the end of its chunk
	total := Unsqueeze(Gather(since, c.G.Int64(-1), 4), 4)  // [B, nc, G, R, 1, 1]

	added := MatMul(Transpose(Mul(u, until), 0, 1, 2, 3, 5, 4), b) // [B, nc, G, R, P, N]
	step := func(_ *graph.Graph, states, in []Value) ([]Value, []Value) {
		return []Value{Add(Mul(states[0], in[0]), in[1])}, []Value{Identity(states[0])}
	}
	first := func(v Value) Value { return Transpose(v, 1, 0, 2, 3, 4, 5) }
	last, entering := Scan(step, []Value{Reshape(past, 0, g, h/g, p, n)}, []Value{first(total), first(added)})
	if c.G.Err() != nil {
		return nil
	}
	y := MatMul(Mul(MatMul(cc, Transpose(b, 0, 1, 2, 3, 5, 4)), across), u)
	y = Add(y, Mul(MatMul(cc, Transpose(first(entering[0]), 0, 1, 2, 3, 5, 4)), since))
	y = k.join(Transpose(y, 0, 1, 4, 2, 3, 5), h, p)
	return []Value{y, Reshape(last[0], 0, h, p, n)}
}

// chunks are how many pieces of how many steps a sequence is cut into at run time.
type chunks struct {
	batch, length Value // int64 [1]
	count, size   Value // int64 [1]
	fill          Value // steps missing in the last chunk, int64 [1]
}

// chunksOf cuts x [B, L, ...] into chunks of min(L, most) steps.
func chunksOf(x Value, most int64) chunks {
	g := x.Graph()
	shape := ShapeOf(x)
	k := chunks{batch: Slice(shape, 0, 0, 1), length: Slice(shape, 0, 1, 2)}
	k.size = Min(k.length, g.Int64s(most))
	whole := Div(k.length, k.size)
	k.count = Add(whole, Min(Sub(k.length, Mul(whole, k.size)), g.Int64s(1)))
	k.fill = Sub(Mul(k.count, k.size), k.length)
	return k
}

// cut is x [B, L, ...] as [B, nc, q, rest...], filled up with zeros.
func (k chunks) cut(x Value, rest ...int64) Value {
	g := x.Graph()
	filled := one(pad, nil, x, Concat(0, g.Int64s(0), k.fill), nil, g.Int64s(1))
	return ReshapeTo(filled, Concat(0, k.batch, k.count, k.size, g.Int64s(rest...)))
}

// join is x [B, nc, q, ...] as [B, L, rest...].
func (k chunks) join(x Value, rest ...int64) Value {
	g := x.Graph()
	all := ReshapeTo(x, Concat(0, k.batch, Mul(k.count, k.size), g.Int64s(rest...)))
	return SplitSizes(all, Concat(0, k.length, k.fill), 1, 2)[0]
}

// decayAcross is exp(Σ decay over j < i ≤ l) at [l, j], 0 above the diagonal, from the
// logarithms [..., q] of each step.
func (k chunks) decayAcross(decay Value) Value {
	square := Concat(0, k.size, k.size)
	each := Expand(Unsqueeze(decay, -1), Concat(0, Slice(ShapeOf(decay), 0, 0, maxInt64), k.size))
	sums := CumSum(Trilu(each, -1, false), -2) // of steps j < i ≤ l
	hidden := Trilu(ConstantOfShape(square, graph.Floats([]int{1}, float32(math.Inf(-1)))), 1, true)
	return Exp(Add(sums, hidden))
}

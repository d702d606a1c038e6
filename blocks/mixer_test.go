package blocks_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph/op"
)

const width = 8

// mixers are all mixers, at sizes that fill no vector.
func mixers(t *testing.T) map[string]net {
	one := func(b blocks.Block) func(c *blocks.Context, x blocks.Value) []blocks.Value {
		return func(c *blocks.Context, x blocks.Value) []blocks.Value { return []blocks.Value{b.Forward(c, x)} }
	}
	decay := make([]float32, 12*5) // A_log as it starts
	for i := range decay {
		decay[i] = float32(math.Log(float64(1 + i%5)))
	}
	rope := &op.RopeSpec{Base: 100, Dims: 4}
	return map[string]net{
		"mamba":              {t: t, width: width, params: params{"A_log": decay}, forward: one(blocks.Mamba{DModel: width, Inner: 12, DState: 5, DConv: 4, DtRank: 2, ConvBias: true, Bias: true})},
		"mamba, one tap":     {t: t, width: width, params: params{"A_log": decay}, forward: one(blocks.Mamba{DModel: width, Inner: 12, DState: 5, DConv: 1, DtRank: 1})},
		"attention":          {t: t, width: width, params: params{}, forward: one(blocks.Attention{DModel: width, Heads: 3, KVHeads: 3, HeadDim: 4, Rope: rope})},
		"grouped attention":  {t: t, width: width, params: params{}, forward: one(blocks.Attention{DModel: width, Heads: 4, KVHeads: 2, HeadDim: 4, Rope: rope, Bias: true, OutBias: true})},
		"windowed attention": {t: t, width: width, params: params{}, forward: one(blocks.Attention{DModel: width, Heads: 2, KVHeads: 1, HeadDim: 4, Window: 7, Scale: 0.3})},
		"gated attention": {t: t, width: width, params: params{}, forward: one(blocks.Attention{
			DModel: width, Heads: 4, KVHeads: 2, HeadDim: 6, Rope: &op.RopeSpec{Base: 100, Dims: 2}, Gate: true, Bias: true,
			QKNorm: &blocks.Norm{Kind: blocks.RMSNorm, Eps: 1e-6, ZeroCentred: true},
		})},
	}
}

// TestAnySplitOfTheSequenceIsTheWhole runs a sequence in pieces with carried states. Lengths
// stand around the taps of the convolution and the chunks of the scan.
func TestAnySplitOfTheSequenceIsTheWhole(t *testing.T) {
	for name, n := range mixers(t) {
		whole, pieces := n, n
		pieces.mode = blocks.Decode
		for _, l := range []int{1, 2, 3, 4, 5, 15, 16, 17, 53} {
			x := sequence(uint64(l), l*width)
			want := whole.run(1, l, x, nil, nil, 0).out[0]
			splits := [][]int{slices.Repeat([]int{1}, l)} // step by step
			for s := 1; s < l; s += 1 + l/9 {
				splits = append(splits, []int{s, l - s})
			}
			for _, split := range splits {
				var got []float32
				states, at := map[string][]float32{}, 0
				for _, piece := range split {
					r := pieces.run(1, piece, x[at*width:(at+piece)*width], nil, states, at)
					got, states, at = append(got, r.out[0]...), r.states, at+piece
				}
				near(t, fmt.Sprintf("%s, %d tokens as %v", name, l, split), got, want)
			}
		}
	}
}

func TestRowsOfABatchDoNotTouch(t *testing.T) {
	for name, n := range mixers(t) {
		const batch, l = 3, 21
		x := sequence(9, batch*l*width)
		all := n.run(batch, l, x, nil, nil, 0).out[0]
		for row := range batch {
			alone := n.run(1, l, x[row*l*width:(row+1)*l*width], nil, nil, 0).out[0]
			equal(t, fmt.Sprintf("%s, row %d", name, row), all[row*l*width:(row+1)*l*width], alone)
		}
	}
}

func TestTheFutureNeverChangesThePast(t *testing.T) {
	for name, n := range mixers(t) {
		const l, at = 37, 18
		x := sequence(3, l*width)
		before := n.run(1, l, x, nil, nil, 0).out[0]
		x[at*width] += 5
		after := n.run(1, l, x, nil, nil, 0).out[0]
		equal(t, name, after[:at*width], before[:at*width])
		if slices.Equal(after[at*width:], before[at*width:]) {
			t.Errorf("%s: the change changed nothing", name)
		}
	}
}

// TestTheScanHasItsLimits: a step of size 0 keeps the state and answers the skip alone;
// a state that decays at once leaves only the present token.
func TestTheScanHasItsLimits(t *testing.T) {
	const b, l, d, s = 1, 6, width, 5
	scan := func(delta, a float32) net {
		return net{
			t: t, width: d, params: params{"A": slices.Repeat([]float32{a}, d*s), "D": sequence(4, d), "h": sequence(5, d*s)},
			forward: func(c *blocks.Context, x blocks.Value) []blocks.Value {
				free := func(name string, shape ...int64) blocks.Value { return c.G.Param(name, initZero, false, shape...) }
				step := op.Add(op.Mul(x, c.G.Float(0)), c.G.Float(float64(delta)))
				y, h := op.SelectiveScan(x, step, free("A", d, s), free("B", b, l, 1, s), free("C", b, l, 1, s), free("D", d), free("h", b, d, s), nil)
				return []blocks.Value{y, h}
			},
		}
	}
	x := sequence(7, l*d)
	still := scan(0, -1)
	r := still.run(b, l, x, nil, nil, 0)
	equal(t, "the state", r.out[1], still.params["h"])
	// y = C·h + D·x with the first h at every step.
	c, h, skip := still.params.of("C", l*s), still.params["h"], still.params["D"]
	want := make([]float32, l*d)
	for i := range want {
		at, ch := i/d, i%d
		for k := range s {
			want[i] += c[at*s+k] * h[ch*s+k]
		}
		want[i] += skip[ch] * x[i]
	}
	near(t, "the output of steps of size 0", r.out[0], want)

	forgetful := scan(0.5, -1e4)
	r = forgetful.run(b, l, x, nil, nil, 0)
	bb := forgetful.params.of("B", l*s)
	for i := range want {
		at, ch := i/d, i%d
		want[i] = skip[ch] * x[i]
		for k := range s {
			want[i] += c[at*s+k] * 0.5 * bb[at*s+k] * x[i]
		}
	}
	near(t, "the output without memory", r.out[0], want)
}

// TestProperty13RotaryPositionsMatterByTheirDifferenceOnly compares scores at shifted positions.
func TestProperty13RotaryPositionsMatterByTheirDifferenceOnly(t *testing.T) {
	const l, heads, dim = 9, 1, width
	at := func(offset int64) []float32 {
		n := net{t: t, width: dim, params: params{}, forward: func(c *blocks.Context, x blocks.Value) []blocks.Value {
			spec := op.RopeSpec{Base: 100, Dims: dim}
			q := op.Rope(op.Reshape(x, 1, l, heads, dim), c.G.Int64(offset), spec)
			k := op.Rope(op.Reshape(op.Mul(x, x), 1, l, heads, dim), c.G.Int64(offset), spec)
			return []blocks.Value{op.MatMul(op.Reshape(q, l, dim), op.Transpose(op.Reshape(k, l, dim), 1, 0))}
		}}
		return n.run(1, l, sequence(2, l*dim), nil, nil, 0).out[0]
	}
	near(t, "scores 41 positions later", at(41), at(0))
}

// TestProperty13GroupsOfOneAreAllHeads: grouped attention whose key and value heads are repeated
// equals attention with as many heads of each.
func TestProperty13GroupsOfOneAreAllHeads(t *testing.T) {
	const heads, kv, dim, l = 4, 2, 4, 11
	grouped := mixers(t)["grouped attention"]
	repeat := func(w []float32, rows int) []float32 { // [rows, kv·dim] → [rows, heads·dim]
		var out []float32
		for r := range rows {
			for h := range heads {
				from := r*kv*dim + h/(heads/kv)*dim
				out = append(out, w[from:from+dim]...)
			}
		}
		return out
	}
	full := net{t: t, width: width, params: params{}, forward: func(c *blocks.Context, x blocks.Value) []blocks.Value {
		b := blocks.Attention{DModel: width, Heads: heads, KVHeads: heads, HeadDim: dim, Rope: &op.RopeSpec{Base: 100, Dims: 4}, Bias: true, OutBias: true}
		return []blocks.Value{b.Forward(c, x)}
	}}
	for _, name := range []string{"k_proj", "v_proj"} {
		full.params[name+".weight"] = repeat(grouped.params.of(name+".weight", width*kv*dim), width)
		full.params[name+".bias"] = repeat(grouped.params.of(name+".bias", kv*dim), 1)
	}
	x := sequence(8, l*width)
	near(t, "grouped attention", grouped.run(1, l, x, nil, nil, 0).out[0], full.run(1, l, x, nil, nil, 0).out[0])
}

// TestProperty13AWindowLooksBackThatFar: one as long as the sequence is none, to the bit; a
// shorter one is blind to what is before it, and to nothing else.
func TestProperty13AWindowLooksBackThatFar(t *testing.T) {
	const l, window, at = 150, 70, 40 // over the tiles of the kernel
	x := sequence(8, l*width)
	changed := slices.Clone(x)
	changed[at*width] += 3
	run := func(window int64, x []float32) []float32 {
		n := net{t: t, width: width, params: params{}, forward: func(c *blocks.Context, x blocks.Value) []blocks.Value {
			return []blocks.Value{blocks.Attention{DModel: width, Heads: 2, KVHeads: 2, HeadDim: 4, Window: window}.Forward(c, x)}
		}}
		return n.run(1, l, x, nil, nil, 0).out[0]
	}
	equal(t, "a window of the whole length", run(l, x), run(0, x))
	before, after := run(window, x), run(window, changed)
	for p := range l {
		differs := !slices.Equal(before[p*width:(p+1)*width], after[p*width:(p+1)*width])
		if sees := p >= at && p < at+window; sees != differs {
			t.Errorf("position %d: sees position %d: %v; a change there changes it: %v", p, at, sees, differs)
		}
	}
}

// TestPackedDocumentsAreComputedAsIfAlone: outputs, and the gradients of inputs and weights,
// of documents in one row are those of each document in a row of its own. Lengths stand
// around the taps of the convolution, the chunks of the scan and the tiles of attention.
func TestPackedDocumentsAreComputedAsIfAlone(t *testing.T) {
	lengths := []int{1, 2, 3, 16, 5, 15, 40, 1, 70, 17}
	total, ids := 0, []int64{}
	for _, l := range lengths {
		total += l
		for range l {
			ids = append(ids, 1)
		}
		ids[total-1] = separator
	}
	x := sequence(12, total*width)
	for name, n := range mixers(t) {
		n.packed = true
		got, grads := n.run(1, total, x, ids, nil, 0).out[0], n.gradients(1, total, x, ids)
		sums, at := map[string][]float32{}, 0
		for _, l := range lengths {
			alone, row := n, x[at*width:(at+l)*width]
			alone.packed = false
			near(t, fmt.Sprintf("%s: the document of length %d", name, l), got[at*width:(at+l)*width], alone.run(1, l, row, nil, nil, 0).out[0])
			for p, g := range alone.gradients(1, l, row, nil) {
				if p == "x" {
					near(t, fmt.Sprintf("%s: the gradient in the document of length %d", name, l), grads["x"][at*width:(at+l)*width], g)
					continue
				}
				if sums[p] == nil {
					sums[p] = make([]float32, len(g))
				}
				for i, v := range g {
					sums[p][i] += v
				}
			}
			at += l
		}
		for p, want := range sums {
			near(t, name+": the gradient of "+p, grads[p], want)
		}
	}
}

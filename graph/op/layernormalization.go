package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// LayerNormalization is (x − mean) / √(variance + eps) · gain (+ bias) over all axes from
// axis on; bias may be nil.
func LayerNormalization(x, gain, bias Value, axis int64, eps float64) Value {
	attrs := graph.Attrs{"axis": axis, "epsilon": float32(eps)}
	if bias == nil {
		return many(layerNormalization, attrs, 3, x, gain)[0]
	}
	return many(layerNormalization, attrs, 3, x, gain, bias)[0]
}

var layerNormalization *graph.Op

func init() {
	layerNormalization = graph.Register(&graph.Op{
		Name: "LayerNormalization", Since: 17, Doc: "y = (x − mean) / √(variance + ε) · gain + bias over the axes from axis on",
		Inputs: []graph.Arg{
			{Name: "x", Doc: "[..., normalized]"},
			{Name: "gain", Doc: "broadcasts to the normalized axes"},
			{Name: "bias", Doc: "as gain", Optional: true},
		},
		Outputs: []graph.Arg{
			{Name: "y", Doc: "as x"},
			{Name: "mean", Doc: "x with extent 1 at the normalized axes", Optional: true},
			{Name: "rstd", Doc: "1 / √(variance + ε), as mean", Optional: true},
		},
		Attrs: []graph.Attr{
			{Name: "axis", Kind: graph.IntAttr, Doc: "first normalized axis, −1 by default"},
			{Name: "epsilon", Kind: graph.FloatAttr, Doc: "1e-5 by default"},
			{Name: "stash_type", Kind: graph.IntAttr, Doc: "element type of the statistics, float32 (1) by default"},
		},
		Infer: inferLayerNorm,
		Grad:  gradLayerNorm,
	})
}

func inferLayerNorm(c *graph.Infer) error {
	if err := wantFloats(c, 0); err != nil {
		return err
	}
	x := c.Shape(0)
	axis, err := x.Axis(c.Int("axis", -1))
	if err != nil {
		return err
	}
	for i := 1; i <= 2; i++ {
		if err := c.Want(i, c.DType(0), -1); err != nil {
			return err
		}
		if !c.Has(i) {
			continue
		}
		if s, err := graph.Broadcast(c.Shape(i), x[axis:]); err != nil || !s.Equal(x[axis:]) {
			return fmt.Errorf("gain or bias %v does not broadcast to %v", c.Shape(i), x[axis:])
		}
	}
	statistics := append(graph.Shape(nil), x...)
	for i := axis; i < len(x); i++ {
		statistics[i] = graph.Const(1)
	}
	stash := graph.DType(c.Int("stash_type", 1))
	if !stash.IsFloat() {
		return fmt.Errorf("stash_type %v is no float", stash)
	}
	c.Out(0, c.DType(0), x)
	c.Out(1, stash, statistics)
	c.Out(2, stash, statistics)
	return nil
}

// gradLayerNorm: n = (x − mean)·rstd, g = dy·gain: dx = rstd·(g − mean(g) − n·mean(g·n)),
// dgain = Σ dy·n, dbias = Σ dy.
func gradLayerNorm(c *graph.Grad) []Value {
	x, gain, dy := c.In(0), c.In(1), c.DOut[0]
	if len(c.Outputs) < 3 {
		c.G.Fail(fmt.Errorf("LayerNormalization needs its outputs mean and rstd for a gradient"))
		return nil
	}
	axis, err := x.Shape().Axis(c.Int("axis", -1))
	if err != nil {
		c.G.Fail(err)
		return nil
	}
	var axes []int64
	for i := axis; i < x.Rank(); i++ {
		axes = append(axes, int64(i))
	}
	average := func(v Value) Value { return ReduceMean(v, axes, true) }
	n := Mul(Sub(x, c.Out(1)), c.Out(2))
	g := Mul(dy, gain)
	dx := Mul(c.Out(2), Sub(Sub(g, average(g)), Mul(n, average(Mul(g, n)))))
	out := []Value{dx, SumTo(Mul(dy, n), gain)}
	if len(c.Inputs) > 2 {
		var dbias Value
		if c.In(2) != nil {
			dbias = SumTo(dy, c.In(2))
		}
		out = append(out, dbias)
	}
	return out
}

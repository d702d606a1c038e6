package op

import "github.com/moezoo/moezoo/graph"

// RMSNorm is x · rsqrt(mean(x²) + eps) · gain (+ bias) over the last axis (arXiv
// 1910.07467): x [..., D], gain and bias [D] or nil → [..., D].
func RMSNorm(x, gain, bias Value, eps float64) Value {
	return many(rmsNorm, graph.Attrs{"epsilon": float32(eps)}, 2, x, gain, bias)[0]
}

var rmsNorm, rmsNormGrad *graph.Op

func init() {
	epsilon := []graph.Attr{{Name: "epsilon", Kind: graph.FloatAttr, Doc: "added to the mean square, 1e-5 by default"}}
	rmsNorm = graph.Register(&graph.Op{
		Name: "RMSNorm", Domain: graph.Domain, Since: 1, Doc: "y = x · rsqrt(mean(x²) + ε) · gain + bias, over the last axis",
		Inputs: []graph.Arg{
			{Name: "x", Doc: "[..., D]"}, {Name: "gain", Doc: "[D]", Optional: true}, {Name: "bias", Doc: "[D]", Optional: true},
		},
		Outputs: []graph.Arg{
			{Name: "y", Doc: "[..., D]"}, {Name: "rstd", Doc: "rsqrt(mean(x²) + ε), [...]", Optional: true},
		},
		Attrs: epsilon,
		Infer: func(c *graph.Infer) error {
			if err := wantNorm(c); err != nil {
				return err
			}
			x := c.Shape(0)
			c.Out(0, graph.Float32, x)
			c.Out(1, graph.Float32, x[:len(x)-1])
			return nil
		},
		Grad: func(c *graph.Grad) []Value {
			d := c.G.Apply(rmsNormGrad, nil, 3, c.DOut[0], c.In(0), c.In(1), c.Out(1))
			for i := 1; i <= 2; i++ {
				if c.In(i) == nil {
					d[i] = nil
				}
			}
			return d
		},
		Lower: func(c *graph.Lower) []Value {
			// This spelling is the one that ONNX Runtime fuses into a single kernel.
			x, gain, bias := c.In(0), c.In(1), c.In(2)
			square := ReduceMean(Pow(x, c.G.Float(2)), []int64{-1}, true)
			rms := Sqrt(Add(square, c.G.Float(float64(c.Float("epsilon", 1e-5)))))
			y := Div(x, rms)
			if gain != nil {
				y = Mul(y, gain)
			}
			if bias != nil {
				y = Add(y, bias)
			}
			return []Value{y}
		},
		InPlace: []int{0},
	})
	rmsNormGrad = graph.Register(&graph.Op{
		Name: "RMSNormGrad", Domain: graph.Domain, Since: 1,
		Doc: "n = x·rstd, g = dy·gain: dx = rstd · (g − n · mean(g·n)), dgain = Σ dy·n, dbias = Σ dy",
		Inputs: []graph.Arg{
			{Name: "dy", Doc: "[..., D]"},
			{Name: "x", Doc: "[..., D]"},
			{Name: "gain", Doc: "[D]", Optional: true},
			{Name: "rstd", Doc: "[...]"},
		},
		Outputs: []graph.Arg{{Name: "dx", Doc: "as x"}, {Name: "dgain", Doc: "[D]"}, {Name: "dbias", Doc: "[D]"}},
		Infer: func(c *graph.Infer) error {
			x := c.Shape(1)
			c.Out(0, graph.Float32, x)
			c.Out(1, graph.Float32, x[len(x)-1:])
			c.Out(2, graph.Float32, x[len(x)-1:])
			return nil
		},
		NoGrad: "second derivatives are not built", NoLower: trainingOnly,
		InPlace: []int{0},
	})
}

// wantNorm checks x [..., D] with gain and bias [D].
func wantNorm(c *graph.Infer) error {
	if err := c.Want(0, graph.Float32, -1); err != nil {
		return err
	}
	if _, err := c.Shape(0).Axis(-1); err != nil {
		return err
	}
	d := c.Shape(0)[len(c.Shape(0))-1]
	if err := c.WantShape(1, graph.Float32, d); err != nil {
		return err
	}
	return c.WantShape(2, graph.Float32, d)
}

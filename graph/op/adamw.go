package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// AdamWSpec holds the constants of AdamW (arXiv 1711.05101).
type AdamWSpec struct {
	Beta1, Beta2, Eps float64
	Decay             float64 // decoupled weight decay, times the learning rate
}

// AdamW is one step for one parameter, as torch.optim.AdamW computes it. p, g, m and v
// have one shape; lr and scale are float32 scalars, step an int64 scalar counted from 1.
// The gradient is multiplied by scale first. A scale that is not finite leaves
// everything as it was: the step is skipped.
func AdamW(p, g, m, v, lr, scale, step Value, spec AdamWSpec) (p2, m2, v2 Value) {
	out := many(adamW, graph.Attrs{
		"beta1": float32(spec.Beta1), "beta2": float32(spec.Beta2), "eps": float32(spec.Eps), "decay": float32(spec.Decay),
	}, 3, p, g, m, v, lr, scale, step)
	return out[0], out[1], out[2]
}

// GlobalNorm is the Euclidean norm over all gradients together, and the factor that
// brings it down to at most clip (1 when clip is 0): norm and scale, float32 scalars.
// The scale is NaN when the norm is not finite, which makes [AdamW] skip the step. Squares
// are added in float64.
func GlobalNorm(clip float64, gs ...Value) (norm, scale Value) {
	out := many(globalNorm, graph.Attrs{"clip": float32(clip)}, 2, gs...)
	return out[0], out[1]
}

var adamW, globalNorm *graph.Op

func init() {
	adamW = graph.Register(&graph.Op{
		Name: "AdamW", Domain: graph.Domain, Since: 1,
		Doc: "g = scale·g; p −= lr·decay·p; m = β1·m + (1−β1)·g; v = β2·v + (1−β2)·g²; p −= lr · m/(1−β1^step) / (√(v/(1−β2^step)) + ε)",
		Inputs: []graph.Arg{
			{Name: "p", Doc: "parameter"},
			{Name: "g", Doc: "gradient"},
			{Name: "m", Doc: "first moment"},
			{Name: "v", Doc: "second moment"},
			{Name: "lr", Doc: "float32 scalar"},
			{Name: "scale", Doc: "float32 scalar"},
			{Name: "step", Doc: "int64 scalar, from 1"},
		},
		Outputs: []graph.Arg{{Name: "p2", Doc: "as p"}, {Name: "m2", Doc: "as m"}, {Name: "v2", Doc: "as v"}},
		Attrs: []graph.Attr{
			{Name: "beta1", Kind: graph.FloatAttr, Doc: "decay of m", Required: true},
			{Name: "beta2", Kind: graph.FloatAttr, Doc: "decay of v", Required: true},
			{Name: "eps", Kind: graph.FloatAttr, Doc: "ε", Required: true},
			{Name: "decay", Kind: graph.FloatAttr, Doc: "weight decay", Required: true},
		},
		Infer: func(c *graph.Infer) error {
			for i := 1; i < 4; i++ {
				if err := c.WantShape(i, graph.Float32, c.Shape(0)...); err != nil {
					return err
				}
			}
			for i, dtype := range []graph.DType{graph.Float32, graph.Float32, graph.Int64} {
				if err := c.WantShape(4+i, dtype); err != nil {
					return err
				}
			}
			for i, from := range []int{0, 2, 3} {
				c.Out(i, graph.Float32, c.Shape(from))
			}
			return nil
		},
		NoGrad: "optimisers are not differentiated", NoLower: trainingOnly,
		InPlace: []int{0, 2, 3},
	})
	globalNorm = graph.Register(&graph.Op{
		Name: "GlobalNorm", Domain: graph.Domain, Since: 1, Doc: "norm = √Σ g², scale = min(1, clip / (norm + 1e-6))",
		Inputs:  []graph.Arg{{Name: "g", Doc: "gradients of any shapes", Variadic: true}},
		Outputs: []graph.Arg{{Name: "norm", Doc: "scalar"}, {Name: "scale", Doc: "scalar"}},
		Attrs:   []graph.Attr{{Name: "clip", Kind: graph.FloatAttr, Doc: "largest norm, 0 for none"}},
		Infer: func(c *graph.Infer) error {
			for i := range c.N() {
				if c.DType(i) != graph.Float32 {
					return fmt.Errorf("gradient %d is %v", i, c.DType(i))
				}
			}
			c.Out(0, graph.Float32, nil)
			c.Out(1, graph.Float32, nil)
			return nil
		},
		NoGrad: "optimisers are not differentiated", NoLower: trainingOnly,
	})
}

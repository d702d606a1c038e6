package op

import "github.com/moezoo/moezoo/graph"

// Mean is the mean of its operands elementwise, with broadcasting.
func Mean(xs ...Value) Value { return one(mean, nil, xs...) }

var mean *graph.Op

func init() {
	mean = graph.Register(&graph.Op{
		Name: "Mean", Since: 13, Doc: "y = (x₀ + x₁ + … + xₙ₋₁) / n",
		Inputs:  []graph.Arg{{Name: "x", Doc: "floats of any shape, all broadcast together", Variadic: true}},
		Outputs: []graph.Arg{{Name: "y", Doc: "the broadcast shape"}},
		Infer:   variadicInfer,
		Grad: func(c *graph.Grad) []Value {
			share := Scale(c.DOut[0], 1/float64(len(c.Inputs)))
			out := make([]Value, len(c.Inputs))
			for i, x := range c.Inputs {
				out[i] = SumTo(share, x)
			}
			return out
		},
	})
}

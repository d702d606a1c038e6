package op

import "github.com/moezoo/moezoo/graph"

// Sum adds its operands elementwise, with broadcasting.
func Sum(xs ...Value) Value { return one(sum, nil, xs...) }

var sum *graph.Op

func init() {
	sum = graph.Register(&graph.Op{
		Name: "Sum", Since: 13, Doc: "y = x₀ + x₁ + …",
		Inputs:  []graph.Arg{{Name: "x", Doc: "floats of any shape, all broadcast together", Variadic: true}},
		Outputs: []graph.Arg{{Name: "y", Doc: "the broadcast shape"}},
		Infer:   variadicInfer,
		Grad: func(c *graph.Grad) []Value {
			out := make([]Value, len(c.Inputs))
			for i, x := range c.Inputs {
				out[i] = SumTo(c.DOut[0], x)
			}
			return out
		},
	})
}

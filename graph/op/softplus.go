package op

import "github.com/moezoo/moezoo/graph"

// Softplus is ln(1 + eˣ).
func Softplus(x Value) Value { return one(softplus, nil, x) }

var softplus, softplusGrad *graph.Op

func init() {
	softplus = unary("Softplus", 1, "y = ln(1 + eˣ), computed without overflow", func(c *graph.Grad) []Value {
		if c.In(0).Type.DType == graph.Float32 {
			return []Value{one(softplusGrad, nil, c.DOut[0], c.In(0))}
		}
		return []Value{Mul(c.DOut[0], Sigmoid(c.In(0)))}
	})
	softplusGrad = graph.Register(&graph.Op{
		Name: "SoftplusGrad", Domain: graph.Domain, Since: 1, Doc: "dx = dy · σ(x)",
		Inputs:  []graph.Arg{{Name: "dy", Doc: "any shape"}, {Name: "x", Doc: "shape of dy"}},
		Outputs: []graph.Arg{{Name: "dx", Doc: "shape of dy"}},
		Infer:   floatSameAsInput,
		NoGrad:  "second derivatives are not built",
		Lower:   func(c *graph.Lower) []Value { return []Value{Mul(c.In(0), Sigmoid(c.In(1)))} },
		InPlace: []int{0},
	})
}

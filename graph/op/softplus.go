package op

import "github.com/moezoo/moezoo/graph"

// Softplus is ln(1 + eˣ).
func Softplus(x Value) Value { return one(softplus, nil, x) }

var softplus *graph.Op

func init() {
	softplus = unary("Softplus", 1, "y = ln(1 + eˣ), computed without overflow", func(c *graph.Grad) []Value {
		return []Value{Mul(c.DOut[0], Sigmoid(c.In(0)))}
	})
}

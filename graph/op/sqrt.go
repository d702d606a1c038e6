package op

import "github.com/moezoo/moezoo/graph"

// Sqrt is √x.
func Sqrt(x Value) Value { return one(sqrt, nil, x) }

var sqrt *graph.Op

func init() {
	sqrt = unary("Sqrt", 13, "y = √x, NaN for negative x", func(c *graph.Grad) []Value {
		return []Value{Div(Scale(c.DOut[0], 0.5), c.Out(0))}
	})
}

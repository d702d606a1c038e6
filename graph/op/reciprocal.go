package op

import "github.com/moezoo/moezoo/graph"

// Reciprocal is 1 / x.
func Reciprocal(x Value) Value { return one(reciprocal, nil, x) }

var reciprocal *graph.Op

func init() {
	reciprocal = unary("Reciprocal", 13, "y = 1 / x", func(c *graph.Grad) []Value {
		y := c.Out(0) // dx = −dy · y²
		return []Value{Neg(Mul(c.DOut[0], Mul(y, y)))}
	})
}

package op

import "github.com/moezoo/moezoo/graph"

// Tanh is the hyperbolic tangent of x.
func Tanh(x Value) Value { return one(tanh, nil, x) }

var tanh *graph.Op

func init() {
	tanh = unary("Tanh", 13, "y = tanh x", func(c *graph.Grad) []Value {
		y := c.Out(0) // dx = dy · (1 − y²)
		return []Value{Mul(c.DOut[0], Sub(scalarLike(y, 1), Mul(y, y)))}
	})
}

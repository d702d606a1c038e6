package op

import "github.com/moezoo/moezoo/graph"

// Sigmoid is 1 / (1 + exp(−x)).
func Sigmoid(x Value) Value { return one(sigmoid, nil, x) }

var sigmoid *graph.Op

func init() {
	sigmoid = unary("Sigmoid", 13, "y = 1 / (1 + exp(−x))", func(c *graph.Grad) []Value {
		y := c.Out(0) // dx = dy · y · (1 − y)
		return []Value{Mul(c.DOut[0], Sub(y, Mul(y, y)))}
	})
}

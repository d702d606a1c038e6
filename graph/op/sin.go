package op

import "github.com/moezoo/moezoo/graph"

// Sin is the sine of x in radians.
func Sin(x Value) Value { return one(sin, nil, x) }

var sin *graph.Op

func init() {
	sin = unary("Sin", 7, "y = sin x, x in radians", func(c *graph.Grad) []Value {
		return []Value{Mul(c.DOut[0], Cos(c.In(0)))}
	})
}

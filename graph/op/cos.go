package op

import "github.com/moezoo/moezoo/graph"

// Cos is the cosine of x in radians.
func Cos(x Value) Value { return one(cos, nil, x) }

var cos *graph.Op

func init() {
	cos = unary("Cos", 7, "y = cos x, x in radians", func(c *graph.Grad) []Value {
		return []Value{Neg(Mul(c.DOut[0], Sin(c.In(0))))}
	})
}

package op

import "github.com/moezoo/moezoo/graph"

// Neg is −x.
func Neg(x Value) Value { return one(neg, nil, x) }

var neg *graph.Op

func init() {
	neg = unaryNumber("Neg", 13, "y = −x", func(c *graph.Grad) []Value {
		return []Value{Neg(c.DOut[0])}
	})
}

package op

import "github.com/moezoo/moezoo/graph"

// Exp is eˣ.
func Exp(x Value) Value { return one(exp, nil, x) }

var exp *graph.Op

func init() {
	exp = unary("Exp", 13, "y = eˣ", func(c *graph.Grad) []Value {
		return []Value{Mul(c.DOut[0], c.Out(0))}
	})
}

package op

import "github.com/moezoo/moezoo/graph"

// Abs is |x|.
func Abs(x Value) Value { return one(abs, nil, x) }

var abs *graph.Op

func init() {
	abs = unaryNumber("Abs", 13, "y = |x|", func(c *graph.Grad) []Value {
		return []Value{Mul(c.DOut[0], Sign(c.In(0)))}
	})
}

package op

import "github.com/moezoo/moezoo/graph"

// Log is the natural logarithm of x.
func Log(x Value) Value { return one(log, nil, x) }

var log *graph.Op

func init() {
	log = unary("Log", 13, "y = ln x", func(c *graph.Grad) []Value {
		return []Value{Div(c.DOut[0], c.In(0))}
	})
}

package op

import "github.com/moezoo/moezoo/graph"

// Relu is max(x, 0).
func Relu(x Value) Value { return one(relu, nil, x) }

var relu *graph.Op

func init() {
	relu = unaryNumber("Relu", 14, "y = max(x, 0); NaN stays NaN", func(c *graph.Grad) []Value {
		zero := scalarLike(c.In(0), 0)
		return []Value{Where(Greater(c.Out(0), zero), c.DOut[0], zero)}
	})
}

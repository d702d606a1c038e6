package op

import "github.com/moezoo/moezoo/graph"

// Sub is a − b, with broadcasting.
func Sub(a, b Value) Value { return one(sub, nil, a, b) }

var sub *graph.Op

func init() {
	sub = binary("Sub", 14, "c = a − b",
		contentInfer(func(a, b graph.Dim) (graph.Dim, bool) { return a.Sub(b), true }),
		func(c *graph.Grad) []Value {
			return []Value{SumTo(c.DOut[0], c.In(0)), SumTo(Neg(c.DOut[0]), c.In(1))}
		})
}

package op

import "github.com/moezoo/moezoo/graph"

// Add is a + b, with broadcasting.
func Add(a, b Value) Value { return one(add, nil, a, b) }

var add *graph.Op

func init() {
	add = binary("Add", 14, "c = a + b",
		contentInfer(func(a, b graph.Dim) (graph.Dim, bool) { return a.Add(b), true }),
		func(c *graph.Grad) []Value {
			return []Value{SumTo(c.DOut[0], c.In(0)), SumTo(c.DOut[0], c.In(1))}
		})
}

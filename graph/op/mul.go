package op

import "github.com/moezoo/moezoo/graph"

// Mul is a · b elementwise, with broadcasting.
func Mul(a, b Value) Value { return one(mul, nil, a, b) }

// Scale is x times a constant.
func Scale(x Value, by float64) Value {
	if by == 1 {
		return x
	}
	return Mul(x, scalarLike(x, by))
}

var mul *graph.Op

func init() {
	mul = binary("Mul", 14, "c = a · b",
		contentInfer(func(a, b graph.Dim) (graph.Dim, bool) { return a.Mul(b), true }),
		func(c *graph.Grad) []Value {
			dy := c.DOut[0]
			return []Value{SumTo(Mul(dy, c.In(1)), c.In(0)), SumTo(Mul(dy, c.In(0)), c.In(1))}
		})
}

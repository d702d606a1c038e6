package op

import "github.com/moezoo/moezoo/graph"

// Div is a / b, with broadcasting; integers are truncated towards zero.
func Div(a, b Value) Value { return one(div, nil, a, b) }

var div *graph.Op

func init() {
	div = binary("Div", 14, "c = a / b; integers are truncated towards zero", contentInfer(divideDims),
		func(c *graph.Grad) []Value {
			a, b := c.In(0), c.In(1)
			da := Div(c.DOut[0], b)
			return []Value{SumTo(da, a), SumTo(Neg(Mul(da, c.Out(0))), b)}
		})
}

// divideDims is a quotient of extents: truncation equals the floor there, as neither
// side is negative.
func divideDims(a, b graph.Dim) (graph.Dim, bool) {
	if x, ok := a.Int(); ok {
		if y, ok := b.Int(); ok {
			if y == 0 {
				return graph.Dim{}, false
			}
			return graph.Const(x / y), true
		}
	}
	if !a.NonNegative() || !b.NonNegative() || b.Is(0) {
		return graph.Dim{}, false
	}
	return a.FloorDiv(b), true
}

package op

import (
	"math"

	"github.com/moezoo/moezoo/graph"
)

// Erf is the Gauss error function.
func Erf(x Value) Value { return one(erf, nil, x) }

var erf *graph.Op

func init() {
	erf = unaryNumber("Erf", 13, "y = erf x", func(c *graph.Grad) []Value {
		x := c.In(0) // dx = dy · 2/√π · exp(−x²)
		return []Value{Mul(c.DOut[0], Scale(Exp(Neg(Mul(x, x))), 2/math.Sqrt(math.Pi)))}
	})
}

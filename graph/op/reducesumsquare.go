package op

import "github.com/moezoo/moezoo/graph"

// ReduceSumSquare is Σ x² over axes, all when nil; keep leaves them with extent 1.
func ReduceSumSquare(x Value, axes []int64, keep bool) Value {
	return reduce(reduceSumSquare, x, axes, keep)
}

var reduceSumSquare *graph.Op

func init() {
	reduceSumSquare = reduction("ReduceSumSquare", 18, "y = Σ x² over axes", func(c *graph.Grad, dy Value) Value {
		return Mul(Scale(c.In(0), 2), dy)
	})
}

package op

import "github.com/moezoo/moezoo/graph"

// ReduceL2 is √Σ x² over axes, all when nil; keep leaves them with extent 1.
func ReduceL2(x Value, axes []int64, keep bool) Value { return reduce(reduceL2, x, axes, keep) }

var reduceL2 *graph.Op

func init() {
	reduceL2 = reduction("ReduceL2", 18, "y = √Σ x² over axes", func(c *graph.Grad, dy Value) Value {
		return Mul(c.In(0), Div(dy, keptOutput(c)))
	})
}

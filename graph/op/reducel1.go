package op

import "github.com/moezoo/moezoo/graph"

// ReduceL1 is Σ |x| over axes, all when nil; keep leaves them with extent 1.
func ReduceL1(x Value, axes []int64, keep bool) Value { return reduce(reduceL1, x, axes, keep) }

var reduceL1 *graph.Op

func init() {
	reduceL1 = reduction("ReduceL1", 18, "y = Σ |x| over axes", func(c *graph.Grad, dy Value) Value {
		return Mul(Sign(c.In(0)), dy)
	})
}

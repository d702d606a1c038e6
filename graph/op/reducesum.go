package op

import "github.com/moezoo/moezoo/graph"

// ReduceSum is the sum over axes, all when nil; keep leaves them with extent 1.
func ReduceSum(x Value, axes []int64, keep bool) Value { return reduce(reduceSum, x, axes, keep) }

var reduceSum *graph.Op

func init() {
	reduceSum = reduction("ReduceSum", 13, "y = Σ x over axes", func(c *graph.Grad, dy Value) Value {
		return ExpandLike(dy, c.In(0))
	})
}

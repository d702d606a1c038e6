package op

import "github.com/moezoo/moezoo/graph"

// ReduceLogSum is ln Σ x over axes, all when nil; keep leaves them with extent 1.
func ReduceLogSum(x Value, axes []int64, keep bool) Value { return reduce(reduceLogSum, x, axes, keep) }

var reduceLogSum *graph.Op

func init() {
	reduceLogSum = reduction("ReduceLogSum", 18, "y = ln Σ x over axes", func(c *graph.Grad, dy Value) Value {
		return ExpandLike(Mul(dy, Exp(Neg(keptOutput(c)))), c.In(0))
	})
}

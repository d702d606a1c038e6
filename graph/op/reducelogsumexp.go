package op

import "github.com/moezoo/moezoo/graph"

// ReduceLogSumExp is ln Σ exp(x) over axes, all when nil; keep leaves them with extent 1.
func ReduceLogSumExp(x Value, axes []int64, keep bool) Value {
	return reduce(reduceLogSumExp, x, axes, keep)
}

var reduceLogSumExp *graph.Op

func init() {
	reduceLogSumExp = reduction("ReduceLogSumExp", 18, "y = ln Σ exp(x) over axes, computed without overflow", func(c *graph.Grad, dy Value) Value {
		return Mul(dy, Exp(Sub(c.In(0), keptOutput(c))))
	})
}

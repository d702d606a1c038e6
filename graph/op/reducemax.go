package op

import "github.com/moezoo/moezoo/graph"

// ReduceMax is the largest element over axes, all when nil; keep leaves them with
// extent 1. NaN wins.
func ReduceMax(x Value, axes []int64, keep bool) Value { return reduce(reduceMax, x, axes, keep) }

var reduceMax *graph.Op

func init() {
	reduceMax = reduction("ReduceMax", 18, "y = max of x over axes; NaN wins; the gradient is shared among equals", gradReduceExtremum)
}

// gradReduceExtremum shares the gradient equally among the elements that reach the
// extreme.
func gradReduceExtremum(c *graph.Grad, dy Value) Value {
	x, y := c.In(0), keptOutput(c)
	hits := Cast(Equal(x, y), x.Type.DType)
	count := SumTo(hits, y)
	return Mul(hits, Div(dy, count))
}

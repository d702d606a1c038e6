package op

import "github.com/moezoo/moezoo/graph"

// ReduceMin is the smallest element over axes, all when nil; keep leaves them with
// extent 1. NaN wins.
func ReduceMin(x Value, axes []int64, keep bool) Value { return reduce(reduceMin, x, axes, keep) }

var reduceMin *graph.Op

func init() {
	reduceMin = reduction("ReduceMin", 18, "y = min of x over axes; NaN wins; the gradient is shared among equals", gradReduceExtremum)
}

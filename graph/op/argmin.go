package op

import "github.com/moezoo/moezoo/graph"

// ArgMin is the int64 index of the smallest element along an axis, the first of equal
// ones; keep leaves the axis with extent 1.
func ArgMin(x Value, axis int64, keep bool) Value { return argExtremum(argMin, x, axis, keep) }

var argMin *graph.Op

func init() {
	argMin = arg("ArgMin", "y = the index of the smallest element along axis; NaN counts as smaller than all")
}

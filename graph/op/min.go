package op

import "github.com/moezoo/moezoo/graph"

// Min is the smallest of its operands elementwise, with broadcasting.
func Min(xs ...Value) Value { return one(minimum, nil, xs...) }

var minimum *graph.Op

func init() {
	minimum = extremum("Min", "y = min(x₀, x₁, …); NaN if any operand is", graph.Dim.Min)
}

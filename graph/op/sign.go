package op

import "github.com/moezoo/moezoo/graph"

// Sign is −1, 0 or 1 by the sign of x; NaN stays NaN.
func Sign(x Value) Value { return one(sign, nil, x) }

var sign *graph.Op

func init() {
	sign = unaryNumber("Sign", 13, "y = −1, 0 or 1 by the sign of x; NaN stays NaN", flat)
}

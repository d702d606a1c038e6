package op

import "github.com/moezoo/moezoo/graph"

// Round is the whole number nearest to x, halves to the even one.
func Round(x Value) Value { return one(round, nil, x) }

var round *graph.Op

func init() {
	round = unary("Round", 11, "y = the whole number nearest to x, halves to the even one", flat)
}

package op

import "github.com/moezoo/moezoo/graph"

// GreaterOrEqual is a ≥ b, with broadcasting.
func GreaterOrEqual(a, b Value) Value { return one(greaterOrEqual, nil, a, b) }

var greaterOrEqual *graph.Op

func init() { greaterOrEqual = comparison("GreaterOrEqual", 16, "c = (a ≥ b); false with NaN") }

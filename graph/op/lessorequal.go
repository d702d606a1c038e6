package op

import "github.com/moezoo/moezoo/graph"

// LessOrEqual is a ≤ b, with broadcasting.
func LessOrEqual(a, b Value) Value { return one(lessOrEqual, nil, a, b) }

var lessOrEqual *graph.Op

func init() { lessOrEqual = comparison("LessOrEqual", 16, "c = (a ≤ b); false with NaN") }

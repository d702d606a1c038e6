package op

import "github.com/moezoo/moezoo/graph"

// Less is a < b, with broadcasting.
func Less(a, b Value) Value { return one(less, nil, a, b) }

var less *graph.Op

func init() { less = comparison("Less", 13, "c = (a < b); false with NaN") }

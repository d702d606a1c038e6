package op

import "github.com/moezoo/moezoo/graph"

// Greater is a > b, with broadcasting.
func Greater(a, b Value) Value { return one(greater, nil, a, b) }

var greater *graph.Op

func init() { greater = comparison("Greater", 13, "c = (a > b); false with NaN") }

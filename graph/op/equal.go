package op

import "github.com/moezoo/moezoo/graph"

// Equal is a = b, with broadcasting. NaN equals nothing.
func Equal(a, b Value) Value { return one(equal, nil, a, b) }

var equal *graph.Op

func init() { equal = comparison("Equal", 13, "c = (a = b); NaN equals nothing") }

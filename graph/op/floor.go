package op

import "github.com/moezoo/moezoo/graph"

// Floor is the largest whole number up to x.
func Floor(x Value) Value { return one(floor, nil, x) }

var floor *graph.Op

func init() { floor = unary("Floor", 13, "y = ⌊x⌋", flat) }

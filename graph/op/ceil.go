package op

import "github.com/moezoo/moezoo/graph"

// Ceil is the smallest whole number from x on.
func Ceil(x Value) Value { return one(ceil, nil, x) }

var ceil *graph.Op

func init() { ceil = unary("Ceil", 13, "y = ⌈x⌉", flat) }

package op

import "github.com/moezoo/moezoo/graph"

// Xor is true where exactly one of a and b is, with broadcasting.
func Xor(a, b Value) Value { return one(xor, nil, a, b) }

var xor *graph.Op

func init() { xor = logical("Xor", "c = (a ≠ b)") }

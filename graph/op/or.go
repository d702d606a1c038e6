package op

import "github.com/moezoo/moezoo/graph"

// Or is a ∨ b on bools, with broadcasting.
func Or(a, b Value) Value { return one(or, nil, a, b) }

var or *graph.Op

func init() { or = logical("Or", "c = a ∨ b") }

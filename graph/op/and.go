package op

import "github.com/moezoo/moezoo/graph"

// And is a ∧ b on bools, with broadcasting.
func And(a, b Value) Value { return one(and, nil, a, b) }

var and *graph.Op

func init() { and = logical("And", "c = a ∧ b") }

// Package op is the operator table: one file an operator, holding its public builder
// function, documentation, signature, shape inference, gradient, and, for the
// project's own operators, its lowering to standard ONNX.
//
// A new operator is one file here, plus one kernel file in each backend that wants
// it fast; a test walks the table and fails on a missing piece.
//
// Shapes are written with the letters of the field: B batch, L sequence length,
// T tokens, D width, N state size, K convolution width, E experts, k experts per
// token. Builder functions take and return values; a mistake is kept in the graph
// (graph.Graph.Err) with the scope it happened in.
//
// Kernels, devices and whole model parts do not live here.
package op

import "github.com/moezoo/moezoo/graph"

// Value is a tensor that flows through a graph.
type Value = *graph.Value

// one applies an operator with a single output.
func one(op *graph.Op, attrs graph.Attrs, in ...Value) Value {
	return many(op, attrs, 1, in...)[0]
}

// many applies an operator with n outputs. The graph is that of the inputs.
func many(op *graph.Op, attrs graph.Attrs, n int, in ...Value) []Value {
	return home(in).Apply(op, attrs, n, in...)
}

// home is the graph of the first input given.
func home(in []Value) *graph.Graph {
	for _, v := range in {
		if v != nil {
			return v.Graph()
		}
	}
	panic("op: an operator needs at least one input")
}

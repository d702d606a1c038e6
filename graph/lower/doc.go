// Package lower rewrites a graph to standard ONNX operators.
//
// The lowering of each operator lives with the operator (graph/op); this package only
// applies it, again and again until no operator of the project's own domain is left.
// Files are written elsewhere (graph/onnx, export).
package lower

// Package graph holds models as ONNX graphs in memory: values, nodes, symbolic
// dimensions, parameters, states, and the type of the operator table's entries.
//
// Every model of the project is one [Graph]: nodes with ONNX semantics, standard
// operators (domain "") wherever they exist, and the project's own fused
// operators (domain "zoo"). The operators themselves, one file each, live in
// graph/op; gradients in graph/autodiff; the rewrite to standard operators in
// graph/lower; files in graph/onnx.
//
// Shape inference runs as nodes are added, on symbolic dimensions ([Dim]). The same
// rule serves three times: while a model is built, when symbols are bound to
// sizes for a plan ([Graph.Bind]), and at run time in the evaluator, where every
// dimension is a number.
//
// Building never panics on a user's mistake: the first error is kept in the graph
// ([Graph.Err]) with the place it happened, and everything built on top of it is
// inert.
//
// What does not live here: kernels, devices, memory plans (backend), blocks of
// models (blocks), and anything that reads or writes files.
package graph

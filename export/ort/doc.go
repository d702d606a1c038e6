// Package ort runs ONNX files in ONNX Runtime, and finds or installs the shared library that this needs.
//
// What lives here:
//
//   - [Find], [Install]: where the library is on this machine, and how it gets there (find.go, install*.go, pins.go).
//   - [Session]: one loaded model; [Session.Run] takes and gives plain Go tensors by name.
//   - [Decoder]: token-by-token generation with the model's states kept in two preallocated sets that swap roles.
//   - [ReadModelIO]: names, types and shapes of a file's inputs and outputs, read without the library.
//
// What does not: building or writing graphs (package graph/onnx), and judging whether an exported model is right
// (package export). This is the only package that imports onnxruntime_go, so it is the only one of the project that needs
// cgo: built with CGO_ENABLED=0 the same names exist, and everything that would have to run a model answers [ErrNoCgo].
package ort

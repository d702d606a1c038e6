// Package onnxgo makes the kernels of backend/cpu a computation backend of
// github.com/owulveryck/onnx-go, for its users and as an independent test of the kernels:
// its kit of operator cases runs here. No other package imports onnx-go.
//
// onnx-go reads operators as they were up to opset 10, knows no control flow and no sizes
// by name. Forms that differ from opset 18 are translated or refused as not implemented.
package onnxgo

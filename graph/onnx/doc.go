// Package onnx turns graphs into ONNX protobuf messages and back: whole models for
// files, and single functions as plugins send them.
//
// Reading and writing of files, with all checks of hostile input, is in graph/onnx/file;
// the protobuf types are in graph/onnx/pb. Which names a runtime expects of inputs and
// outputs is the concern of package export.
package onnx

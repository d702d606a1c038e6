// Package pb holds the Go types of the ONNX file format (ModelProto,
// GraphProto, NodeProto, TensorProto, FunctionProto, …), generated from
// zoo/onnx.proto with protoc-gen-go. Nothing here is written by hand but this
// file; reading and writing files safely is package graph/onnx/file.
//
// The descriptor is registered as file zoo/onnx.proto, package zoo.onnx, and not
// as onnx.proto, package onnx: a process that links a second generated copy of
// the format (another library's) would otherwise panic at start. Names of
// packages and messages are not written to the wire, so the bytes are the same.
package pb

//go:generate protoc --proto_path=. --go_out=../../.. --go_opt=module=github.com/moezoo/moezoo zoo/onnx.proto

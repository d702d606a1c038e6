// Package wire is the protocol between the zoo and a provider process: the
// messages of plugin.proto, the gRPC service, and a digest of an answer.
//
// It holds no host, no process and no check; those are in package plugins. It
// knows nothing of ONNX: functions travel as bytes.
package wire

//go:generate protoc -I . --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative plugin.proto

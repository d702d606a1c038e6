// Package export turns a model's inference graph into an ONNX file of standard operators
// and proves that ONNX Runtime computes the same numbers from it.
//
// The steps: name inputs and outputs as a consumer expects them (names.go), lower
// (graph/lower), compute what depends on weights alone (fold.go), write (write.go),
// compare (verify.go). The runtime itself is bound in export/ort.
//
// Which models there are, and how text becomes tokens, is not known here.
package export

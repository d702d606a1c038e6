package ort

import "errors"

// ErrNoCgo is the answer of everything that would have to run a model, in a program built without cgo.
var ErrNoCgo = errors.New("this program was built with CGO_ENABLED=0, so it cannot call ONNX Runtime: " +
	"exported models cannot be run in it, nor compared with it; build with a C compiler and CGO_ENABLED=1 for that")

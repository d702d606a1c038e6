// Package verify puts the functions that a plugin builds to the test, number by number:
// finite results at any number of tokens, the same bits on any number of threads, causality
// as declared, tokens routed alone as in their sequence, gradients, experts that may change
// places, and the exported function in ONNX Runtime.
//
// [Function] makes all of them; it is the plugins.Examiner of "zoo plugin verify", and what
// an author's own test calls:
//
//	func TestRouter(t *testing.T) { verify.Provider(t, provider) }
//
// What processes do with faults is plugins.Host.Verify's; whether a variant trains in a model
// is package zoo's. Nothing here starts a process.
package verify

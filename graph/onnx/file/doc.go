// Package file reads and writes .onnx files safely at the level of their
// messages: what may be spent on a file, where its weights may lie, and whether
// its structure makes sense.
//
// Read and ReadBytes refuse hostile input in bounded memory and time: the bytes
// are walked against a budget before anything is decoded, external weights stay
// inside the folder of the model, and Validate holds for every model returned.
// ParseFunction does the same for one function that came from elsewhere.
// TensorData gives any stored tensor as little-endian bytes. Write puts a model
// on disk whole or not at all, streaming large tensors.
//
// What an operator means, which versions are known, and the project's own graph
// are not known here: that is package graph/onnx.
package file

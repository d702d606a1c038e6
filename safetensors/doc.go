// Package safetensors reads and writes files in the safetensors format: a JSON header
// that names tensors with their type, shape and byte range, followed by their data.
//
// Reading trusts nothing. Every size is checked against the real file before anything
// is allocated, offsets must cover the data without holes or overlaps, keys are exact
// and unique, and data is read with positioned reads, so that a file that shrinks gives
// an error instead of a signal. Sharded checkpoints are read through their index.
//
// Names of models and layers do not concern this package.
package safetensors

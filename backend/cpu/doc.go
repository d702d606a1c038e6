// Package cpu runs graphs on the processor: the device, the table of kernels, and the
// program that executes a plan.
//
// A kernel here adapts a node's tensors to the functions of backend/cpu/kernel, which
// know slices and extents but no graph. Kernels of the standard operators are in files
// std_*.go, those of the project's own operators in files zoo_*.go. Shapes are never
// checked here: inference has done so when the graph was built or bound.
package cpu

// Package backend defines what every backend implements and what they share: run-time
// tensors, the call of a kernel, the interface of a device, and the planner, which
// turns a graph with bound sizes into an order of execution with one memory arena.
//
// Kernels live with their device (backend/cpu, backend/cuda); graphs whose shapes are
// known only at run time are executed by backend/eval. Models do not live here: a
// backend knows operators, not blocks.
package backend

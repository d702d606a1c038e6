// Package recompute trades time for memory in a graph with gradients: values of the
// forward pass that the backward pass reads are computed a second time where they are
// needed, instead of being kept (activation checkpointing, arXiv 1604.06174).
//
// A rewrite, like fusion: kernels are deterministic, so results keep their bits. Which
// values are worth it is decided by who plans the training (package train).
package recompute

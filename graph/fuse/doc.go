// Package fuse rewrites a graph so that neighbouring operators become one fused operator
// of the project's own domain, which saves passes over memory.
//
// [Epilogues] does the same for products behind differentiation, where nothing needs a gradient
// any more.
//
// A rewrite never changes what is computed: each fused operator is defined by the
// operators it stands for, and has them as its lowering. Models are built, exported and
// verified unfused; plans for training and decoding fuse before they differentiate, so
// that gradients are fused too. Operators themselves live in graph/op.
package fuse

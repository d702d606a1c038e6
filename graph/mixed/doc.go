// Package mixed rewrites a training graph so that matrix products with weights multiply
// bfloat16 numbers and sum in float32.
//
// The rewrite stands in front of differentiation: both operands of a product are rounded
// once, the product is an operator whose gradient rounds what arrives and multiplies
// bfloat16 again. Parameters stay float32, and so do gradients, moments, routers, norms,
// softmax, scans, convolutions, attention and the loss: nothing but products is rounded.
//
// Weights that are stored in less for inference are the business of graph/narrow.
package mixed

// Package narrow rewrites an inference graph so that its weights are stored in less memory
// than float32: what decoding waits for is reading them.
//
// Only what matrix products and embeddings read becomes narrow. Activations, sums, norms,
// decays, convolutions and whatever the caller wants kept stay float32. The numbers of a
// rewritten graph are those of the original with rounded weights: bfloat16 and float16 to
// the nearest, int8 symmetric with one scale for each output channel.
//
// Find says which weights can be narrow, Graph rewrites, Encode converts the data. The
// products are operators of graph/op, whose lowering is what export writes.
package narrow

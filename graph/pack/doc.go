// Package pack rewrites a graph so that products read weights in panels, which are cut once
// instead of in every product.
//
// It is for graphs whose weights stay what they are while they run several times: the
// micro-batches of a training step, the chunks of a prompt. Package hoist then takes the
// cutting out of the graph. Whether panels pay for a product is for the device to say. A
// product of panels has the same bits.
package pack

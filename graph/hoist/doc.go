// Package hoist takes out of a graph what depends on parameters alone.
//
// A graph that runs many times with the same parameters, as in decoding, need not
// compute exp(A_log) or transpose an embedding at every token; the micro-batches of a training
// step need not round or pack weights each. The part taken out runs
// once, whenever the parameters change. Export folds constants on its own.
package hoist

// Package bench measures how fast a recipe trains and runs on this machine, beside what
// the machine could do at best: its peak of multiply-adds and its read bandwidth, measured
// in the same run. It measures each operator at its sizes, a block, a training step, prefill
// and decoding, and how their cost grows with tokens, layers, experts and context.
//
// Every row is repeated and reported as the fastest and the median time, with the spread
// and the processor time beside the wall clock's: on a machine that others use, too, both
// tell how far a row can be trusted. Other programs are compared by bench/peers.
package bench

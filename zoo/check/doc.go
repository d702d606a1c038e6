// Package check tells whether a model keeps what models here promise: no token sees a later
// one, gradients are those of the loss, a sequence in pieces is the whole sequence, and training
// gives the same bits on any number of threads and after an interruption.
//
// The checks take any model with weights: of a run, or of a recipe as training begins it
// (zoo.Model.Begun, with [Awake] so that every parameter matters). Each answers a [Verdict]
// that names where it fails. What cannot be computed at all is an error, no verdict.
//
// The tests of package zoo hold every architecture to the same functions.
package check

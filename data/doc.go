// Package data turns tokens into batches: the part held out for evaluation, a
// deterministic shuffle of training windows, windows for evaluation, and the baselines
// that a model's bits per byte are compared with.
//
// Everything is a function of integers: batch number n of a seed is the same whoever
// asks for it and when, so that a resumed run sees the data an uninterrupted one does.
//
// A prepared folder holds texts as token files with checksums: a manifest says what is in it
// and how its parts are mixed. It is made in data/prepare, and is a set like any other.
//
// Texts are read in data/corpus, tokenized in data/tokenizer. Packing puts documents
// behind one another with the tokenizer's end token in between, when it has one; windows
// may span documents, and the state of a model is not reset inside a window.
package data

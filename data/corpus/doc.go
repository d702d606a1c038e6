// Package corpus holds the text that a fresh clone can train on, and finds texts in files,
// folders, compressed files and standard input.
//
// A text may have any size: it is never held in memory, but read as a stream as often as
// it is needed. Text is bytes: NUL and bytes that are no UTF-8 are taken as they are, and
// come out of the tokenizers unchanged. What may not happen is that a text changes between
// two readings: that is an error.
//
// Turning text into tokens is the tokenizers' concern (data/tokenizer), cutting tokens
// into batches that of package data.
package corpus

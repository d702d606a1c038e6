// Package corpus holds the text that a fresh clone can train on, and reads texts from
// files, folders, compressed files and standard input.
//
// Turning text into tokens is the tokenizers' concern (data/tokenizer), cutting tokens
// into batches that of package data.
package corpus

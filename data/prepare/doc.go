// Package prepare turns texts into a prepared folder: token files that training maps into
// memory, a manifest with checksums and statistics, and the tokenizer when it is none of the
// built-in ones. The folder's format is package data's, what a text is corpus' concern.
//
// Documents are read as streams, in order, and more than once: for a tokenizer that is
// trained, for their hashes, for their tokens. In memory are one record of a JSONL or parquet
// file, and, to drop repeats, 16 bytes for each document and the table they are in.
package prepare

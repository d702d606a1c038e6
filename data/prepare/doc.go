// Package prepare turns texts into a prepared folder: token files that training maps into
// memory, a manifest with checksums and statistics, and the tokenizer when it is none of the
// built-in ones. The folder's format is package data's, what a text is corpus' concern.
//
// Documents are read more than once: for a tokenizer that is trained, for their hashes, for their
// tokens; those of up to 1 MiB are kept from one to the other. They are hashed and tokenized
// several at a time and written in order (walk.go), so that nothing depends on the threads. In
// memory are up to 8 MiB of text on their way and their tokens, one record of a JSONL or parquet
// file, pages of a parquet file of up to 256 MiB, the words and pairs of a vocabulary that is
// learned, and, to drop repeats, 16 bytes for each document and the table they are in.
//
// 308 MB of source code in 19,876 documents took 23 seconds of processor time and 120 MB of memory
// on a busy machine with two cores; 38 seconds and 500 MB with the learning of its 8,192 tokens.
// Checking the result took 0.2 seconds.
//
// Whenever a token file has become whole, what is written is made durable and said in a file of its
// own (progress.go). A process that is asked for the same later reads and hashes all documents again,
// so that nothing that has changed is missed, and tokenizes those that are left.
package prepare

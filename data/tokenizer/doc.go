// Package tokenizer turns text into token ids and back: bytes, and byte-level BPE as
// GPT-2 has it. A tokenizer's Spec is all that a checkpoint needs to make it again.
package tokenizer

// Package tokenizer turns text into token ids and back: bytes, byte-level BPE as GPT-2 has it,
// and the tokenizer.json of Hugging Face. A tokenizer's Spec is all that a checkpoint needs to
// make it again.
//
// A tokenizer.json ([ParseHuggingFace]) is read strictly: model BPE, of bytes or of characters
// with byte_fallback; added tokens; the normalizers NFC, NFD, NFKC, NFKD, Prepend and Replace;
// the pre-tokenizers ByteLevel, Split, Digits, Punctuation and Metaspace; their decoders; the
// template of tokens around a text. Whatever else is in the file is an error that names it.
// Bytes that are no character, which the original cannot be given, are kept where there are
// tokens for them.
//
// A [Learner] learns a byte-level BPE from texts. It is our own, since of the libraries in Go sugarme/tokenizer 0.3.0 learns
// other merges than Hugging Face's trainer, beyond 10,000 different words useless ones, tinybpe 1.0 knows no words and counts
// anew for every merge, and daulet/tokenizers 1.24 (cgo) and gomlx/go-huggingface 0.3.1 do not learn. Its tokens and merges are
// those of tokenizers 0.23, in a fifth of the time for 32,768 tokens of 9.7 MB of English, each on one thread.
//
// Patterns become automata (automaton.go), so that any text takes linear time. Letters, numbers
// and compositions are those of Unicode 15, Go's; other versions know younger characters or
// fewer.
package tokenizer

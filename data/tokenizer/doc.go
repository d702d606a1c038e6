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
// A [Learner] learns a byte-level BPE from texts.
//
// Patterns become automata (automaton.go), so that any text takes linear time. Letters, numbers
// and compositions are those of Unicode 15, Go's; other versions know younger characters or
// fewer.
package tokenizer

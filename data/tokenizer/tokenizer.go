package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Tokenizer turns text into ids from 0 to VocabSize−1 and back.
type Tokenizer interface {
	// Append appends the ids of text.
	Append(ids []int64, text []byte) []int64
	// AppendSettled appends the ids of the longest beginning of text that it can tell will
	// have the same ids whatever follows text, and answers that beginning's length. Calling
	// it with more and more of a text, then Append with the rest, gives the ids of the whole.
	AppendSettled(ids []int64, text []byte) ([]int64, int)
	// Decode is the text of ids; ids outside of the vocabulary are an error.
	Decode(ids []int64) ([]byte, error)
	// Size is the number of different ids.
	Size() int
	// EndOfText is the id put between documents; ok is false when there is none.
	EndOfText() (id int64, ok bool)
	// Spec describes the tokenizer for [Load].
	Spec() Spec
}

// Before is what t puts before a text that stands alone, such as a prompt: a few tokenizers
// begin every text with a token of its own.
func Before(t Tokenizer) []int64 {
	if p, ok := t.(*Pipeline); ok {
		before, _ := p.Frame()
		return slices.Clone(before)
	}
	return nil
}

// DecodeNext is the text that a token adds to the one before it. A token by itself may stand
// for another text: some tokenizers drop the blank that a text begins with.
func DecodeNext(t Tokenizer, before, id int64) ([]byte, error) {
	lead, err := t.Decode([]int64{before})
	if err != nil {
		return nil, err
	}
	both, err := t.Decode([]int64{before, id})
	if text, ok := bytes.CutPrefix(both, lead); ok || err != nil {
		return text, err
	}
	return t.Decode([]int64{id})
}

// Spec describes a tokenizer as a checkpoint keeps it.
type Spec struct {
	Kind string `json:"kind"` // "bytes", "bpe" or "tokenizer.json"
	// Vocab and Merges are the contents of vocab.json and merges.txt of a "bpe"; empty for
	// the embedded vocabulary called Name.
	Name   string          `json:"name,omitempty"`
	Vocab  json.RawMessage `json:"vocab,omitempty"`
	Merges string          `json:"merges,omitempty"`
	// JSON is the content of a tokenizer.json, End its token between documents, and Size the
	// number of ids.
	JSON json.RawMessage `json:"json,omitempty"`
	End  string          `json:"end,omitempty"`
	Size int             `json:"size,omitempty"`
}

// Bytes is the tokenizer whose ids 0 … 255 are byte values; 256 ends a document.
type Bytes struct{}

const endOfBytes = 256

// Append appends every byte as an id.
func (Bytes) Append(ids []int64, text []byte) []int64 {
	for _, b := range text {
		ids = append(ids, int64(b))
	}
	return ids
}

// AppendSettled appends every byte as an id.
func (b Bytes) AppendSettled(ids []int64, text []byte) ([]int64, int) {
	return b.Append(ids, text), len(text)
}

// Decode turns ids into bytes; the end of a document is no text.
func (Bytes) Decode(ids []int64) ([]byte, error) {
	out := make([]byte, 0, len(ids))
	for _, id := range ids {
		switch {
		case id < 0 || id > endOfBytes:
			return nil, fmt.Errorf("token %d is outside of the vocabulary of %d", id, endOfBytes+1)
		case id < endOfBytes:
			out = append(out, byte(id))
		}
	}
	return out, nil
}

// Size is 257.
func (Bytes) Size() int { return endOfBytes + 1 }

// EndOfText is 256.
func (Bytes) EndOfText() (int64, bool) { return endOfBytes, true }

// Spec is {"kind": "bytes"}.
func (Bytes) Spec() Spec { return Spec{Kind: "bytes"} }

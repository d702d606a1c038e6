package tokenizer

import (
	"encoding/json"
	"fmt"
)

// Tokenizer turns text into ids from 0 to VocabSize−1 and back.
type Tokenizer interface {
	// Append appends the ids of text.
	Append(ids []int64, text []byte) []int64
	// Decode is the text of ids; ids outside of the vocabulary are an error.
	Decode(ids []int64) ([]byte, error)
	// Size is the number of different ids.
	Size() int
	// EndOfText is the id put between documents; ok is false when there is none.
	EndOfText() (id int64, ok bool)
	// Spec describes the tokenizer for [Load].
	Spec() Spec
}

// Spec describes a tokenizer as a checkpoint keeps it.
type Spec struct {
	Kind string `json:"kind"` // "bytes" or "bpe"
	// Vocab and Merges are the contents of vocab.json and merges.txt of a "bpe"; empty for
	// the embedded vocabulary called Name.
	Name   string          `json:"name,omitempty"`
	Vocab  json.RawMessage `json:"vocab,omitempty"`
	Merges string          `json:"merges,omitempty"`
}

// Bytes is the tokenizer whose ids are byte values, 256 in all. It has no token for the
// end of a document.
type Bytes struct{}

// Append appends every byte as an id.
func (Bytes) Append(ids []int64, text []byte) []int64 {
	for _, b := range text {
		ids = append(ids, int64(b))
	}
	return ids
}

// Decode turns ids into bytes.
func (Bytes) Decode(ids []int64) ([]byte, error) {
	out := make([]byte, len(ids))
	for i, id := range ids {
		if id < 0 || id > 255 {
			return nil, fmt.Errorf("token %d is no byte", id)
		}
		out[i] = byte(id)
	}
	return out, nil
}

// Size is 256.
func (Bytes) Size() int { return 256 }

// EndOfText has no id.
func (Bytes) EndOfText() (int64, bool) { return 0, false }

// Spec is {"kind": "bytes"}.
func (Bytes) Spec() Spec { return Spec{Kind: "bytes"} }

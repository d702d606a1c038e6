package tokenizer

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
	"sync"
)

//go:embed gpt2/vocab.json.gz
var gpt2Vocab []byte

//go:embed gpt2/merges.txt.gz
var gpt2Merges []byte

// GPT2 is GPT-2's tokenizer, 50257 tokens (see gpt2/ORIGIN.md).
var GPT2 = sync.OnceValues(func() (Tokenizer, error) {
	vocab, err := unpack(gpt2Vocab)
	if err != nil {
		return nil, err
	}
	merges, err := unpack(gpt2Merges)
	if err != nil {
		return nil, err
	}
	b, err := NewBPE(vocab, merges)
	if err != nil {
		return nil, err
	}
	b.name = "gpt2"
	return b, nil
})

func unpack(z []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(z))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

//go:build unix

package data

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/data/tokenizer"
)

// PartWriter takes the documents of one part.
type PartWriter struct {
	part        Part
	train, held *shardWriter
	words       wordStream
}

// Written is how many tokens there are so far.
func (p *PartWriter) Written() Written { return Written{p.train.Len(), p.held.Len()} }

// Encoded is the tokens of a document, those for training and those held out.
type Encoded struct{ train, held []int64 }

// Encode tokenizes a document that is in memory, its first cut bytes for training, the rest held
// out. It may be called side by side.
func Encode(t tokenizer.Tokenizer, text []byte, cut int64) Encoded {
	return Encoded{t.Append(nil, text[:cut]), t.Append(nil, text[cut:])}
}

// Add writes a document of up to MaxEncoded bytes.
func (p *PartWriter) Add(e Encoded) error {
	for _, part := range []struct {
		ids []int64
		to  *shardWriter
	}{{e.train, p.train}, {e.held, p.held}} {
		if len(part.ids) == 0 {
			continue
		}
		if err := p.words.separate(part.to); err != nil {
			return err
		}
		if err := part.to.add(part.ids); err != nil {
			return err
		}
	}
	return nil
}

// MaxEncoded is how large a document is, in bytes, that Encode takes: no word in it is too long.
const MaxEncoded = maxWord

// Document writes a document of any size, read as a stream, its first cut bytes for training, the
// rest held out. sum is the SHA-256 it was known by before: a document that has changed is an
// error. The first from bytes have been written before. taken is called again and again with the
// number of bytes whose tokens are written; from there another call could go on.
func (p *PartWriter) Document(ctx context.Context, d corpus.Document, cut int64, sum [sha256.Size]byte, from int64, taken func(bytes int64) error) error {
	p.words.ctx, p.words.hash, p.words.taken = ctx, sha256.New(), taken
	if err := p.words.document(d, cut, from, p.train, p.held); err != nil {
		return err
	}
	if !bytes.Equal(p.words.hash.Sum(nil), sum[:]) {
		return fmt.Errorf("%s: has changed while it was read", d.Name)
	}
	return nil
}

package data

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/data/tokenizer"
)

const (
	chunkBytes = 64 << 10 // of text that is read at once
	maxWord    = 1 << 20  // bytes that a tokenizer may have to see together
)

// sink takes tokens in order.
type sink interface {
	Len() int
	add(ids []int64) error
}

// memorySink keeps tokens in memory.
type memorySink []int64

// Len is the number of tokens so far.
func (s *memorySink) Len() int { return len(*s) }

func (s *memorySink) add(ids []int64) error {
	*s = append(*s, ids...)
	return nil
}

// tokenize reads the text of s once more: what is before the cut goes to train, the rest to
// held. The ids of a document's part are those of the part as a whole. The text must be the
// one that was hashed.
func tokenize(ctx context.Context, s *Set, t tokenizer.Tokenizer, train, held sink) error {
	h := sha256.New()
	w := &wordStream{ctx: ctx, t: t, hash: h}
	from := int64(0)
	for _, d := range s.text.docs {
		cut := min(max(s.TrainBytes-from, 0), d.Size)
		if err := w.document(d, cut, 0, train, held); err != nil {
			return err
		}
		h.Write([]byte{0})
		from += d.Size
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != s.Hash {
		return fmt.Errorf("the text has changed while it was read: its SHA-256 was %.12s… and is now %.12s…", s.Hash, sum)
	}
	return nil
}

// wordStream turns a stream of bytes into ids, holding what may still change: the
// beginning of a word whose end has not been seen.
type wordStream struct {
	ctx   context.Context
	t     tokenizer.Tokenizer
	hash  hash.Hash
	taken func(bytes int64) error // told of a document's bytes whose ids are in the sinks; nil for nobody
	at    int64                   // that number
	line  int                     // where they end
	held  []byte                  // text without ids yet
	ids   []int64
}

// document tokenizes one document, its first cut bytes into one sink, the rest into
// another. The sinks have the ids of its first from bytes.
func (w *wordStream) document(d corpus.Document, cut, from int64, before, behind sink) error {
	r, err := d.Section(0, d.Size)
	if err != nil {
		return err
	}
	defer r.Close()
	all := io.TeeReader(whileAlive{w.ctx, r}, w.hash)
	w.at, w.line = from, 1
	if err := w.skip(io.LimitReader(all, from)); err != nil {
		return err
	}
	err = w.part(io.LimitReader(all, max(cut-from, 0)), before, from == 0)
	if err == nil {
		err = w.part(all, behind, from <= cut)
	}
	var long *longWord
	if errors.As(err, &long) {
		return fmt.Errorf("%s: line %d: a word of more than %d bytes, such as one character repeated; the tokenizer cannot take it apart in bounded memory", d.Name, w.line, maxWord)
	}
	return err
}

// skip reads what has ids already.
func (w *wordStream) skip(r io.Reader) error {
	block := make([]byte, chunkBytes)
	for {
		n, err := r.Read(block)
		w.line += bytes.Count(block[:n], []byte{'\n'})
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// longWord says that a word does not fit the memory for one.
type longWord struct{}

func (*longWord) Error() string { return "a word is too long" }

// part tokenizes r until it ends; when that is the beginning, behind an end token if tokens came
// before.
func (w *wordStream) part(r io.Reader, to sink, first bool) error {
	w.held = w.held[:0]
	for {
		n := len(w.held)
		// A long word is looked at log n times.
		w.held = append(w.held, make([]byte, min(max(chunkBytes, n), maxWord+chunkBytes-n))...)
		read, err := io.ReadFull(r, w.held[n:])
		w.held = w.held[:n+read]
		end := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !end {
			return err
		}
		if first && len(w.held) > 0 {
			first = false
			if err := w.separate(to); err != nil {
				return err
			}
		}
		taken := len(w.held)
		if end {
			w.ids = w.t.Append(w.ids[:0], w.held)
		} else {
			w.ids, taken = w.t.AppendSettled(w.ids[:0], w.held)
		}
		if err := to.add(w.ids); err != nil {
			return err
		}
		w.line += bytes.Count(w.held[:taken], []byte{'\n'})
		w.at += int64(taken)
		if w.taken != nil && taken > 0 {
			if err := w.taken(w.at); err != nil {
				return err
			}
		}
		if end {
			return nil
		}
		w.held = append(w.held[:0], w.held[taken:]...)
		if len(w.held) > maxWord {
			return &longWord{}
		}
	}
}

// separate ends the document before.
func (w *wordStream) separate(to sink) error {
	if end, ok := w.t.EndOfText(); ok && to.Len() > 0 {
		return to.add([]int64{end})
	}
	return nil
}

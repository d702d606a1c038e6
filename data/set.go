package data

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/data/tokenizer"
)

// Set is a tokenized text, cut into a part for training and one held out.
type Set struct {
	Train, Held Tokens
	// TrainBytes and HeldBytes are how many bytes of text are behind the tokens.
	TrainBytes, HeldBytes int64
	Hash                  string // SHA-256 of the text

	text text
	// decode makes the text of a set that has tokens alone, and where its held-out part begins.
	decode func() (text, int64, error)
	parts  []Part // of a mixture; nil: Train alone
}

// DefaultHoldout is the fraction of the text, at its end, that is held out.
const DefaultHoldout = 0.05

// NewSet tokenizes documents. The last holdout of the bytes is held out; the cut is
// moved forward to the next line end within 4 KiB, if there is one.
//
// A text of any size takes the same memory: it is read as a stream, once for its hash and
// once for its tokens. The tokens of a text above 2 MiB are kept in mapped files in a cache
// folder, and taken from there the next time; with no folder in files without a name. A text
// that changes between the readings, or has a word of more than 1 MiB, is an error.
func NewSet(ctx context.Context, docs []corpus.Document, t tokenizer.Tokenizer, holdout float64, cache string) (*Set, error) {
	if !(holdout >= 0 && holdout < 1) {
		return nil, fmt.Errorf("holdout %v: want a fraction from 0 up to 1", holdout)
	}
	all := newText(docs)
	hash, err := all.hash(ctx)
	if err != nil {
		return nil, err
	}
	cut, err := all.cutAt(all.size - int64(float64(all.size)*holdout))
	if err != nil {
		return nil, err
	}
	s := &Set{TrainBytes: cut, HeldBytes: all.size - cut, Hash: hash, text: all}
	if all.size < mapAbove {
		var train, held memorySink
		if err := tokenize(ctx, s, t, &train, &held); err != nil {
			return nil, err
		}
		s.Train, s.Held = InMemory(train), InMemory(held)
		return s, nil
	}
	key, err := cacheKey(t)
	if err != nil {
		return nil, err
	}
	return s, s.inFiles(ctx, t, cache, fmt.Sprintf("%.24s-%.12s-%d", hash, key, cut))
}

// Hash is the hash that a set of these documents has. It reads them once.
func Hash(ctx context.Context, docs []corpus.Document) (string, error) {
	return newText(docs).hash(ctx)
}

// mapAbove is how large a text is, in bytes, whose tokens are kept in mapped files rather
// than in memory.
const mapAbove = 2 << 20

// cacheKey is a hash that differs between tokenizers.
func cacheKey(t tokenizer.Tokenizer) (string, error) {
	raw, err := json.Marshal(t.Spec())
	return fmt.Sprintf("%x", sha256.Sum256(raw)), err
}

// inFiles takes the tokens from token files called name in a folder, or makes them.
func (s *Set) inFiles(ctx context.Context, t tokenizer.Tokenizer, folder, name string) error {
	train, err := newTokenStore(folder, name+"-train", t.Size())
	if err != nil {
		return err
	}
	held, err := newTokenStore(folder, name+"-held", t.Size())
	if err != nil {
		return err
	}
	if train.cached() && held.cached() {
		s.Train, s.Held = train.file, held.file
		return nil
	}
	defer train.discard()
	defer held.discard()
	if err := errors.Join(train.begin(), held.begin()); err != nil {
		return err
	}
	if err := tokenize(ctx, s, t, train, held); err != nil {
		return err
	}
	if s.Train, err = train.commit(); err != nil {
		return err
	}
	s.Held, err = held.commit()
	return err
}

// Baselines measures what a model of the training text should beat on the held-out text.
func (s *Set) Baselines() (Baselines, error) {
	if s.decode == nil {
		return measure(s.text, s.TrainBytes)
	}
	all, cut, err := s.decode()
	if err != nil {
		return Baselines{}, err
	}
	return measure(all, min(cut, s.TrainBytes)) // none is for training when all is held out
}

// AllHeld is the set with everything held out and nothing to train on.
func (s *Set) AllHeld() *Set {
	return &Set{Train: InMemory(nil), Held: joined{s.Train, s.Held}, HeldBytes: s.TrainBytes + s.HeldBytes, Hash: s.Hash, text: s.text, decode: s.decode}
}

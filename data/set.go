package data

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/data/tokenizer"
)

// Set is a tokenized text, cut into a part for training and one held out.
type Set struct {
	Train, Held Tokens
	// HeldText and TrainText are the bytes behind the tokens, for baselines and for bits
	// per byte.
	TrainText, HeldText []byte
	Hash                string // SHA-256 of the text
}

// DefaultHoldout is the fraction of the text, at its end, that is held out.
const DefaultHoldout = 0.05

// NewSet tokenizes documents. The last holdout of the bytes is held out; the cut is
// moved forward to the next line end within 4 KiB, if there is one. The tokens of long
// texts are kept in mapped files in a cache folder, when one is given.
func NewSet(docs []corpus.Document, t tokenizer.Tokenizer, holdout float64, cache string) (*Set, error) {
	if !(holdout >= 0 && holdout < 1) {
		return nil, fmt.Errorf("holdout %v: want a fraction from 0 up to 1", holdout)
	}
	h := sha256.New()
	var text []byte
	var ends []int
	for _, d := range docs {
		h.Write(d.Text)
		h.Write([]byte{0})
		text = append(text, d.Text...)
		ends = append(ends, len(text))
	}
	cut := cutAt(text, len(text)-int(float64(len(text))*holdout))
	s := &Set{TrainText: text[:cut], HeldText: text[cut:], Hash: hex.EncodeToString(h.Sum(nil))}
	var train, held []int64
	from := 0
	for _, end := range ends {
		a, b := min(from, cut), min(end, cut)
		train = appendDocument(train, text[a:b], t)
		a, b = max(from, cut), max(end, cut)
		held = appendDocument(held, text[a:b], t)
		from = end
	}
	s.Held = InMemory(held)
	var err error
	s.Train, err = mapTokens(cache, fmt.Sprintf("%.24s-%d-%d", s.Hash, t.Size(), cut), train, t.Size())
	return s, err
}

func appendDocument(ids []int64, text []byte, t tokenizer.Tokenizer) []int64 {
	if len(text) == 0 {
		return ids
	}
	if end, ok := t.EndOfText(); ok && len(ids) > 0 {
		ids = append(ids, end)
	}
	return t.Append(ids, text)
}

// cutAt moves a cut behind the next line end.
func cutAt(text []byte, cut int) int {
	for i := cut; i < len(text) && i < cut+4096; i++ {
		if text[i] == '\n' {
			return i + 1
		}
	}
	return cut
}

// AllHeld is the set with everything held out and nothing to train on.
func (s *Set) AllHeld() (*Set, error) {
	all := make(InMemory, s.Train.Len()+s.Held.Len())
	if err := s.Train.Copy(all[:s.Train.Len()], 0); err != nil {
		return nil, err
	}
	if err := s.Held.Copy(all[s.Train.Len():], 0); err != nil {
		return nil, err
	}
	return &Set{Train: InMemory(nil), Held: all, HeldText: append(append([]byte(nil), s.TrainText...), s.HeldText...), Hash: s.Hash}, nil
}

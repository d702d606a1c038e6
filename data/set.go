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
	Train, Held []int64
	// HeldText and TrainText are the bytes behind the tokens, for baselines and for bits
	// per byte.
	TrainText, HeldText []byte
	Hash                string // SHA-256 of the text
}

// DefaultHoldout is the fraction of the text, at its end, that is held out.
const DefaultHoldout = 0.05

// NewSet tokenizes documents. The last holdout of the bytes is held out; the cut is
// moved forward to the next line end within 4 KiB, if there is one.
func NewSet(docs []corpus.Document, t tokenizer.Tokenizer, holdout float64) (*Set, error) {
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
	from := 0
	for _, end := range ends {
		a, b := min(from, cut), min(end, cut)
		s.Train = appendDocument(s.Train, text[a:b], t)
		a, b = max(from, cut), max(end, cut)
		s.Held = appendDocument(s.Held, text[a:b], t)
		from = end
	}
	return s, nil
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
func (s *Set) AllHeld() *Set {
	return &Set{
		Held: append(append([]int64(nil), s.Train...), s.Held...), HeldText: append(append([]byte(nil), s.TrainText...), s.HeldText...), Hash: s.Hash,
	}
}

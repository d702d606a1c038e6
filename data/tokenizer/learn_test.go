package tokenizer_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/data/tokenizer"
)

// file is the parts of a tokenizer.json that are learned.
type file struct {
	Model struct {
		Vocab  map[string]int `json:"vocab"`
		Merges []string       `json:"merges"`
	} `json:"model"`
}

func learned(t *testing.T, size int, texts ...string) (*tokenizer.Pipeline, file) {
	t.Helper()
	var l tokenizer.Learner
	for _, text := range texts {
		if err := l.Add(strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	p, err := l.Learn(size)
	if err != nil {
		t.Fatal(err)
	}
	var f file
	if err := json.Unmarshal(p.Spec().JSON, &f); err != nil {
		t.Fatal(err)
	}
	return p, f
}

// TestLearnedAsHuggingFaceDoes compares every token and every merge (testdata/make_learned.py).
func TestLearnedAsHuggingFaceDoes(t *testing.T) {
	raw, err := os.ReadFile("testdata/learned.json")
	if err != nil {
		t.Fatal(err)
	}
	var want struct{ Texts, Vocab, Merges []string }
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	want.Texts[0] = string(corpus.Default()[:30_000])
	_, got := learned(t, 900, want.Texts...)
	if len(got.Model.Vocab) != 900 || len(want.Vocab) != 900 {
		t.Fatalf("%d tokens, want %d", len(got.Model.Vocab), len(want.Vocab))
	}
	for id, token := range want.Vocab {
		if n, ok := got.Model.Vocab[token]; !ok || n != id {
			t.Fatalf("token %q is %d (%v), want %d", token, n, ok, id)
		}
	}
	if !slices.Equal(got.Model.Merges, want.Merges) {
		t.Errorf("merges\n%q\nwant\n%q", got.Model.Merges, want.Merges)
	}
}

// TestLearnedTokenizersGiveTextsBack, also bytes that are no text, and shorten what they know.
func TestLearnedTokenizersGiveTextsBack(t *testing.T) {
	text := string(corpus.Default()[:20_000])
	p, _ := learned(t, 600, text)
	for _, s := range []string{text, "\xff\xfe\x00 zoo\n\n", "你好 🙂"} {
		got, err := p.Decode(p.Append(nil, []byte(s)))
		if err != nil || string(got) != s {
			t.Errorf("%.40q became %.40q, %v", s, got, err)
		}
	}
	if n := len(p.Append(nil, []byte(text))); n > len(text)/2 {
		t.Errorf("%d tokens for %d bytes", n, len(text))
	}
	if end, ok := p.EndOfText(); !ok || end != 0 || p.Size() != 600 {
		t.Errorf("end %d, %v; %d tokens", end, ok, p.Size())
	}
}

// TestLearningIgnoresOrderAndPieces of texts and readings.
func TestLearningIgnoresOrderAndPieces(t *testing.T) {
	a, b := string(corpus.Default()[:9_000]), string(corpus.Default()[9_000:15_000])
	p, _ := learned(t, 400, a, b)
	q, _ := learned(t, 400, b, a)
	var l tokenizer.Learner
	for _, text := range []string{a, b} {
		if err := l.Add(iotest.OneByteReader(strings.NewReader(text))); err != nil {
			t.Fatal(err)
		}
	}
	r, err := l.Learn(400)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(p.Spec().JSON, q.Spec().JSON) || !bytes.Equal(p.Spec().JSON, r.Spec().JSON) {
		t.Error("the tokenizers differ")
	}
}

// TestLearningEndsWithTheText: no pair that occurs once becomes a token.
func TestLearningEndsWithTheText(t *testing.T) {
	p, f := learned(t, 5000, "ab ab cd")
	if p.Size() != 258 || !slices.Equal(f.Model.Merges, []string{"a b"}) {
		t.Errorf("%d tokens, merges %q", p.Size(), f.Model.Merges)
	}
	var l tokenizer.Learner
	for _, size := range []int{-1, 256, 1 << 30} {
		if _, err := l.Learn(size); err == nil || !strings.Contains(err.Error(), "want 257 to") {
			t.Errorf("size %d: %v", size, err)
		}
	}
}

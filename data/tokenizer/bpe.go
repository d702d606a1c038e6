package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// BPE is byte-level byte-pair encoding as GPT-2 has it: text is cut into words, the bytes of
// a word are letters, and pairs of neighbours merge in the order of their rank.
type BPE struct {
	name   string
	model  *model
	stage  stage
	tokens []string // id → bytes
	end    int64
	hasEnd bool
	vocab  []byte
	merges []byte
}

// Limits of vocabularies.
const (
	maxVocabBytes  = 100 << 20
	endOfTextToken = "<|endoftext|>"
)

// patternOpenAI is patternGPT2 with what Python takes for white space, in whose tongue the
// original is written.
var patternOpenAI = strings.NewReplacer(`[^\s`, `[^\s\x1c-\x1f`, `\s+`, `[\s\x1c-\x1f]+`, `\S`, `[^\s\x1c-\x1f]`).Replace(patternGPT2)

// NewBPE reads vocab.json and merges.txt.
func NewBPE(vocab, merges []byte) (*BPE, error) {
	if len(vocab) > maxVocabBytes || len(merges) > maxVocabBytes {
		return nil, fmt.Errorf("vocab.json or merges.txt is larger than %d MB", maxVocabBytes>>20)
	}
	b := &BPE{model: &model{bytes: true, rank: ranks{}, unknown: none}, vocab: vocab, merges: merges}
	if err := b.readVocab(vocab); err != nil {
		return nil, fmt.Errorf("vocab.json: %w", err)
	}
	if err := b.readMerges(merges); err != nil {
		return nil, fmt.Errorf("merges.txt: %w", err)
	}
	b.model.ids = nil
	pattern, err := newAutomaton(patternOpenAI)
	b.stage = stage{pattern: pattern, behavior: isolated}
	return b, err
}

func (b *BPE) readVocab(raw []byte) error {
	if !utf8.Valid(raw) || !json.Valid(raw) {
		return errors.New("is not valid JSON")
	}
	if err := b.model.readVocabulary(raw); err != nil {
		return err
	}
	if err := b.model.readBytes(func(b int) string { return string(spelled[b]) }); err != nil {
		return err
	}
	b.tokens = make([]string, len(b.model.contents))
	for id, content := range b.model.contents {
		if content == endOfTextToken {
			b.end, b.hasEnd = int64(id), true
			continue
		}
		var err error
		if b.tokens[id], err = toBytes(content); err != nil {
			return fmt.Errorf("token %q: %w", content, err)
		}
	}
	return nil
}

func (b *BPE) readMerges(raw []byte) error {
	for i, line := range strings.Split(string(raw), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" || strings.HasPrefix(line, "#version") {
			continue
		}
		left, right, _ := strings.Cut(line, " ")
		if err := b.model.addMerge(left, right); err != nil {
			return fmt.Errorf("line %d %w", i+1, err)
		}
	}
	return nil
}

// Append appends the ids of text.
func (b *BPE) Append(ids []int64, text []byte) []int64 {
	ids, _ = b.words(ids, text, false)
	return ids
}

// AppendSettled appends the ids of the words whose ends are certain.
func (b *BPE) AppendSettled(ids []int64, text []byte) ([]int64, int) {
	return b.words(ids, wholeCharacters(text), true)
}

// words appends the ids of the words of a text, which goes on when open, and answers where
// they end.
func (b *BPE) words(ids []int64, text []byte, open bool) ([]int64, int) {
	m := b.model.merger()
	defer b.model.put(m)
	end := 0
	b.stage.cut(text, open, func(from, to int) {
		ids = b.model.append(m, ids, text[from:to])
		end = to
	})
	return ids, end
}

// Decode joins the bytes of tokens; the end of a document is no text.
func (b *BPE) Decode(ids []int64) ([]byte, error) {
	var out []byte
	for _, id := range ids {
		if id < 0 || id >= int64(len(b.tokens)) {
			return nil, fmt.Errorf("token %d is outside of the vocabulary of %d", id, len(b.tokens))
		}
		out = append(out, b.tokens[id]...)
	}
	return out, nil
}

// Size is the number of tokens.
func (b *BPE) Size() int { return len(b.tokens) }

// EndOfText is the id of <|endoftext|>.
func (b *BPE) EndOfText() (int64, bool) { return b.end, b.hasEnd }

// Spec holds the files, or only the name of the embedded ones.
func (b *BPE) Spec() Spec {
	if b.name != "" {
		return Spec{Kind: "bpe", Name: b.name}
	}
	return Spec{Kind: "bpe", Vocab: b.vocab, Merges: string(b.merges)}
}

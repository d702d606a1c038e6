package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// BPE is byte-level byte-pair encoding as GPT-2 has it: text is cut into words, the
// bytes of a word are letters, and pairs of neighbours merge in the order of their rank.
type BPE struct {
	name   string
	ids    map[string]int64 // token, as bytes → id
	tokens []string         // id → bytes
	rank   ranks
	first  [256]int32 // id of each byte
	end    int64
	hasEnd bool
	vocab  []byte
	merges []byte
}

// Limits of vocabularies.
const (
	maxVocabBytes  = 100 << 20
	maxTokens      = 1 << 24
	endOfTextToken = "<|endoftext|>"
)

// NewBPE reads vocab.json and merges.txt.
func NewBPE(vocab, merges []byte) (*BPE, error) {
	if len(vocab) > maxVocabBytes || len(merges) > maxVocabBytes {
		return nil, fmt.Errorf("vocab.json or merges.txt is larger than %d MB", maxVocabBytes>>20)
	}
	b := &BPE{ids: map[string]int64{}, rank: ranks{}, vocab: vocab, merges: merges}
	if err := b.readVocab(vocab); err != nil {
		return nil, fmt.Errorf("vocab.json: %w", err)
	}
	for i := range 256 {
		id, ok := b.ids[string([]byte{byte(i)})]
		if !ok {
			return nil, fmt.Errorf("vocab.json: there is no token for the byte 0x%02x", i)
		}
		b.first[i] = int32(id)
	}
	if err := b.readMerges(merges); err != nil {
		return nil, fmt.Errorf("merges.txt: %w", err)
	}
	return b, nil
}

func (b *BPE) readVocab(raw []byte) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	t, err := d.Token()
	if err != nil || t != json.Delim('{') {
		return errors.New("is no JSON object")
	}
	byID := map[int64]string{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		var id int64
		if err := d.Decode(&id); err != nil {
			return fmt.Errorf("token %q: %w", name, err)
		}
		text := name
		if name != endOfTextToken {
			if text, err = toBytes(name); err != nil {
				return fmt.Errorf("token %q: %w", name, err)
			}
		}
		switch old, twice := byID[id]; {
		case name == "":
			return errors.New("a token is empty")
		case id < 0 || id >= maxTokens:
			return fmt.Errorf("token %q has the id %d", name, id)
		case twice:
			return fmt.Errorf("tokens %q and %q have the same id %d", old, name, id)
		case name != endOfTextToken && b.ids[text] != 0:
			return fmt.Errorf("token %q occurs twice", name)
		}
		byID[id] = name
		if name == endOfTextToken {
			b.end, b.hasEnd = id, true
			continue
		}
		b.ids[text] = id
	}
	b.tokens = make([]string, len(byID))
	for id := range byID {
		if id >= int64(len(byID)) {
			return fmt.Errorf("id %d leaves a hole: there are %d tokens", id, len(byID))
		}
	}
	for text, id := range b.ids {
		b.tokens[id] = text
	}
	return nil
}

func (b *BPE) readMerges(raw []byte) error {
	for i, line := range strings.Split(string(raw), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" || strings.HasPrefix(line, "#version") {
			continue
		}
		left, right, ok := strings.Cut(line, " ")
		l, errL := toBytes(left)
		r, errR := toBytes(right)
		idL, okL := b.ids[l]
		idR, okR := b.ids[r]
		id, okM := b.ids[l+r]
		if !ok || errL != nil || errR != nil || !okL || !okR || !okM {
			return fmt.Errorf("line %d: %.60q merges tokens that the vocabulary does not have", i+1, line)
		}
		if !b.rank.add(int32(idL), int32(idR), int32(id)) {
			return fmt.Errorf("line %d: %.60q occurs twice", i+1, line)
		}
	}
	return nil
}

// The files spell bytes as printable characters: those that are printable stand for
// themselves, the others for the characters from U+0100 on, in order.
var byteOf = func() map[rune]byte {
	m := map[rune]byte{}
	next := rune(256)
	for i := range 256 {
		if i >= '!' && i <= '~' || i >= 0xa1 && i <= 0xac || i >= 0xae {
			m[rune(i)] = byte(i)
			continue
		}
		m[next] = byte(i)
		next++
	}
	return m
}()

// spelled is the inverse of byteOf.
var spelled = func() (s [256]rune) {
	for r, b := range byteOf {
		s[b] = r
	}
	return s
}()

func toBytes(name string) (string, error) {
	out := make([]byte, 0, len(name))
	for _, r := range name {
		b, ok := byteOf[r]
		if !ok {
			return "", fmt.Errorf("the character %q stands for no byte", r)
		}
		out = append(out, b)
	}
	return string(out), nil
}

// Append appends the ids of text.
func (b *BPE) Append(ids []int64, text []byte) []int64 {
	ids, _ = b.words(ids, text, 0)
	return ids
}

// AppendSettled appends the ids of the words that end well before the end of text.
func (b *BPE) AppendSettled(ids []int64, text []byte) ([]int64, int) {
	return b.words(ids, text, lookahead)
}

// words appends the ids of the words of text that at least margin bytes follow, and
// answers where they end.
func (b *BPE) words(ids []int64, text []byte, margin int) ([]int64, int) {
	var m merger
	at := 0
	for at < len(text) {
		n := word(text[at:])
		if at+n+margin > len(text) {
			break
		}
		m.begin()
		for _, c := range text[at : at+n] {
			m.push(b.first[c])
		}
		ids = m.finish(b.rank, ids)
		at += n
	}
	return ids, at
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

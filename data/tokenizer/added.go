package tokenizer

import (
	"encoding/json"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// addedToken is a token that is looked for in the text before anything is cut.
type addedToken struct {
	id             int32
	content        string
	single         bool // not within a word
	lstrip, rstrip bool // takes the white space beside it along
	normalized     bool // looked for in the normalized text
}

// maxAdded is the largest added token in bytes.
const maxAdded = 512

// readAdded reads the list of added tokens. Those that the vocabulary does not have come
// behind it, in order.
func readAdded(raw []json.RawMessage, m *model) ([]addedToken, error) {
	var tokens []addedToken
	seen := map[string]bool{}
	for i, r := range raw {
		f := readFields(fmt.Sprintf("added_tokens[%d]", i), r)
		t := addedToken{
			content: want[string](f, "content"), single: take(f, "single_word", false),
			lstrip: take(f, "lstrip", false), rstrip: take(f, "rstrip", false), normalized: take(f, "normalized", true),
		}
		id := want[int64](f, "id")
		take(f, "special", false)
		next := int64(len(m.contents))
		old, known := m.ids[t.content]
		if known {
			next = int64(old)
		}
		switch {
		case t.content == "" || len(t.content) > maxAdded:
			f.fail("a content of %d bytes, want 1 to %d", len(t.content), maxAdded)
		case seen[t.content]:
			f.fail("%.80q occurs twice", t.content)
		case id != next:
			f.fail("%.80q has the id %d, want %d", t.content, id, next)
		case !known && next >= maxVocabulary:
			f.fail("more than %d tokens", maxVocabulary)
		}
		if err := f.done(); err != nil {
			return nil, err
		}
		seen[t.content] = true
		if !known {
			m.ids[t.content] = int32(next)
			m.contents = append(m.contents, t.content)
		}
		t.id = int32(next)
		tokens = append(tokens, t)
	}
	return tokens, nil
}

// addedSet finds added tokens: the leftmost, and the longest of those.
type addedSet struct {
	tokens  []addedToken
	first   [256]bool
	next    map[uint64]int32 // node · 256 + byte → node; the root is 0
	token   []int32          // by node: which token ends there, −1 for none
	longest int              // in bytes, at least 1
}

// newAddedSet makes a set of tokens that spell finds in its text as it spells them.
func newAddedSet(tokens []addedToken, spell func(content string) string) *addedSet {
	s := &addedSet{tokens: tokens, next: map[uint64]int32{}, token: []int32{none}, longest: 1}
	for i, t := range tokens {
		text := spell(t.content)
		if text == "" {
			continue
		}
		s.first[text[0]] = true
		s.longest = max(s.longest, len(text))
		node := int32(0)
		for k := range len(text) {
			key := uint64(node)<<8 | uint64(text[k])
			child, ok := s.next[key]
			if !ok {
				child = int32(len(s.token))
				s.next[key] = child
				s.token = append(s.token, none)
			}
			node = child
		}
		if s.token[node] == none {
			s.token[node] = int32(i)
		}
	}
	return s
}

// hit is an added token in a text.
type hit struct {
	token    *addedToken
	from, to int // with the white space that it takes along
	end      int // without
}

// find is the first token from a place of the text on. Text before floor belongs to the
// token before.
func (s *addedSet) find(text []byte, at, floor int) (h hit, ok bool) {
	for ; at < len(text); at++ {
		if !s.first[text[at]] {
			continue
		}
		end, token := s.at(text, at)
		if token == nil {
			continue
		}
		if token.single && (endsWithWord(text[:at]) || beginsWithWord(text[end:])) {
			at = end - 1
			continue
		}
		h = hit{token, at, end, end}
		if token.lstrip {
			for h.from > floor {
				r, size := utf8.DecodeLastRune(text[floor:h.from])
				if !unicode.IsSpace(r) {
					break
				}
				h.from -= size
			}
		}
		if token.rstrip {
			for h.to < len(text) {
				r, size := utf8.DecodeRune(text[h.to:])
				if !unicode.IsSpace(r) {
					break
				}
				h.to += size
			}
		}
		return h, true
	}
	return hit{}, false
}

// at is the longest token that begins at a place.
func (s *addedSet) at(text []byte, at int) (end int, token *addedToken) {
	node := int32(0)
	for i := at; i < len(text); i++ {
		child, ok := s.next[uint64(node)<<8|uint64(text[i])]
		if !ok {
			break
		}
		node = child
		if t := s.token[node]; t != none {
			end, token = i+1, &s.tokens[t]
		}
	}
	return end, token
}

func endsWithWord(text []byte) bool {
	r, _ := utf8.DecodeLastRune(text)
	return len(text) > 0 && isWord(r)
}

func beginsWithWord(text []byte) bool {
	r, _ := utf8.DecodeRune(text)
	return len(text) > 0 && isWord(r)
}

// isWord is \w of Unicode's regular expressions (UTS 18, annex C).
func isWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.In(r, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic, unicode.Join_Control)
}

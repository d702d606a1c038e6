package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// maxVocabulary is how many tokens a tokenizer.json may have: twice those of the largest.
const maxVocabulary = 1 << 19

// model is the byte-pair encoding of a tokenizer.json: a word is bytes or characters, and
// pairs of neighbours merge in the order of their rank.
type model struct {
	contents []string         // of the tokens, as the file spells them
	ids      map[string]int32 // of the contents, while the file is read
	rank     ranks            // merges
	bytes    bool             // words are bytes, which the vocabulary spells as characters
	byteID   [256]int32       // the tokens of bytes
	chars    map[rune]int32   // the tokens of one character
	whole    map[string]int32
	fallback bool    // characters that are no token become the tokens of their bytes
	unknown  int32   // or this token, if there is one
	fuse     bool    // one for several of them in a row
	blanks   *blanks // where a word falls apart whatever merges; nil when that is not known
	mergers  sync.Pool
}

const none = -1

// readModel reads the model of a tokenizer.json; byteLevel says that its words are bytes.
func readModel(raw json.RawMessage, byteLevel bool) (*model, error) {
	f := readFields("model", raw)
	if kind := take(f, "type", "BPE"); kind != "BPE" {
		f.fail("the type %q is unsupported: BPE alone is read", kind)
	}
	m := &model{bytes: byteLevel, rank: ranks{}, unknown: none}
	if take(f, "dropout", 0.0) != 0 {
		f.fail("dropout is unsupported")
	}
	for _, key := range []string{"continuing_subword_prefix", "end_of_word_suffix"} {
		if text := take(f, key, ""); text != "" {
			f.fail("%s %q is unsupported", key, text)
		}
	}
	unknown := take(f, "unk_token", "")
	m.fuse, m.fallback = take(f, "fuse_unk", false), take(f, "byte_fallback", false)
	ignoreMerges := take(f, "ignore_merges", false)
	vocab, merges := want[json.RawMessage](f, "vocab"), want[json.RawMessage](f, "merges")
	if err := f.done(); err != nil {
		return nil, err
	}
	if err := m.readVocabulary(vocab); err != nil {
		return nil, fmt.Errorf("model: vocab: %w", err)
	}
	if err := m.readMerges(merges); err != nil {
		return nil, fmt.Errorf("model: merges: %w", err)
	}
	if err := m.readLetters(unknown); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if ignoreMerges {
		m.whole = m.words()
	}
	return m, nil
}

// readVocabulary reads {"token": id, …}, whose ids must be 0 to n−1.
func (m *model) readVocabulary(raw json.RawMessage) error {
	ids := make(map[string]int32, min(bytes.Count(raw, []byte{':'}), maxVocabulary))
	err := eachMember(raw, func(content string, value json.RawMessage) error {
		id, err := strconv.ParseInt(string(value), 10, 64)
		switch _, twice := ids[content]; {
		case err != nil:
			return fmt.Errorf("token %.80q has the id %.40s, which is no whole number", content, value)
		case id < 0 || id >= maxVocabulary:
			return fmt.Errorf("token %.80q has the id %d: want 0 to %d", content, id, maxVocabulary-1)
		case content == "":
			return errors.New("a token is empty")
		case twice:
			return fmt.Errorf("token %.80q occurs twice", content)
		}
		ids[content] = int32(id)
		return nil
	})
	if err != nil {
		return err
	}
	m.ids, m.contents = ids, make([]string, len(ids))
	for content, id := range ids {
		switch {
		case int(id) >= len(ids):
			return fmt.Errorf("token %.80q: the id %d leaves a hole, since there are %d tokens", content, id, len(ids))
		case m.contents[id] != "":
			return fmt.Errorf("tokens %.80q and %.80q have the same id %d", min(content, m.contents[id]), max(content, m.contents[id]), id)
		}
		m.contents[id] = content
	}
	return nil
}

// readMerges reads ["a b", …] or [["a", "b"], …].
func (m *model) readMerges(raw json.RawMessage) error {
	return eachElement(raw, func(value json.RawMessage) error {
		left, right, err := readMerge(value)
		if err == nil {
			err = m.addMerge(left, right)
		}
		if err != nil {
			return fmt.Errorf("number %d %w", len(m.rank), err)
		}
		return nil
	})
}

// addMerge adds the next merge, of tokens as the file spells them.
func (m *model) addMerge(left, right string) error {
	l, okL := m.ids[left]
	r, okR := m.ids[right]
	id, okM := m.ids[left+right]
	if !okL || !okR || !okM {
		return fmt.Errorf("merges %.40q and %.40q, which or whose union the vocabulary does not have", left, right)
	}
	if !m.rank.add(l, r, id) {
		return fmt.Errorf("merges %.40q and %.40q again", left, right)
	}
	return nil
}

// readMerge reads one merge in either spelling.
func readMerge(raw json.RawMessage) (left, right string, err error) {
	var parts []string
	if raw[0] == '[' {
		err = eachElement(raw, func(value json.RawMessage) error {
			part, err := unquote(value)
			parts = append(parts, part)
			return err
		})
	} else {
		var text string
		text, err = unquote(raw)
		parts = strings.Split(text, " ")
	}
	if err == nil && len(parts) != 2 {
		err = fmt.Errorf("is %.80s, %d parts instead of 2", raw, len(parts))
	}
	if err != nil {
		return "", "", err
	}
	return parts[0], parts[1], nil
}

// readLetters finds the tokens that words are made of.
func (m *model) readLetters(unknown string) error {
	switch {
	case m.bytes:
		return m.readBytes(func(b int) string { return string(spelled[b]) })
	case m.fallback:
		for content := range m.ids {
			if len(content) == 6 && strings.HasPrefix(content, "<0x") && strings.HasSuffix(content, ">") {
				if _, err := strconv.ParseUint(content[3:5], 16, 8); err != nil {
					return fmt.Errorf("%q is no byte", content)
				}
			}
		}
		if err := m.readBytes(byteToken); err != nil {
			return err
		}
	case unknown == "":
		return errors.New("there is neither byte_fallback nor an unk_token: unknown characters would vanish")
	}
	if unknown != "" {
		id, ok := m.ids[unknown]
		if !ok {
			return fmt.Errorf("the unk_token %.80q is not in the vocabulary", unknown)
		}
		m.unknown = id
	}
	m.chars = map[rune]int32{}
	for content, id := range m.ids {
		if r, size := utf8.DecodeRuneInString(content); size == len(content) {
			m.chars[r] = id
		}
	}
	return nil
}

// byteToken is how a vocabulary with byte_fallback spells a byte.
func byteToken(b int) string { return fmt.Sprintf("<0x%02X>", b) }

func (m *model) readBytes(spell func(b int) string) error {
	for b := range m.byteID {
		id, ok := m.ids[spell(b)]
		switch {
		case ok:
			m.byteID[b] = id
		case inUTF8(byte(b)):
			return fmt.Errorf("there is no token %q for the byte 0x%02x", spell(b), b)
		default:
			m.byteID[b] = none
		}
	}
	return nil
}

// inUTF8 reports whether a byte occurs in texts; some vocabularies lack those that do not.
func inUTF8(b byte) bool { return b < 0xc0 || b > 0xc1 && b < 0xf5 }

// pushByte takes a byte; one that no text has and that is no token becomes U+FFFD.
func (m *model) pushByte(g *merger, b byte) {
	if id := m.byteID[b]; id != none {
		g.push(id)
		return
	}
	for _, b := range []byte(string(utf8.RuneError)) {
		g.push(m.byteID[b])
	}
}

// words are the tokens by the words that they are.
func (m *model) words() map[string]int32 {
	words := make(map[string]int32, len(m.ids))
	for content, id := range m.ids {
		word, err := content, error(nil)
		if m.bytes {
			word, err = toBytes(content)
		}
		if err == nil {
			words[word] = id
		}
	}
	return words
}

// merger takes one that is not in use; put gives it back.
func (m *model) merger() *merger {
	if g, ok := m.mergers.Get().(*merger); ok {
		return g
	}
	return &merger{}
}

func (m *model) put(g *merger) { m.mergers.Put(g) }

// append appends the ids of a word.
func (m *model) append(g *merger, ids []int64, word []byte) []int64 {
	if known, ok := g.memo.find(word); ok {
		return append(ids, known...)
	}
	before := len(ids)
	ids = m.encode(g, ids, word)
	g.memo.add(word, ids[before:])
	return ids
}

// encode appends the ids of a word that is not remembered.
func (m *model) encode(g *merger, ids []int64, word []byte) []int64 {
	if id, ok := m.whole[string(word)]; ok {
		return append(ids, int64(id))
	}
	g.begin()
	if m.bytes {
		for _, b := range word {
			m.pushByte(g, b)
		}
		return g.finish(m.rank, ids)
	}
	unknown, last := false, rune(0) // whether the last character was
	for len(word) > 0 {
		r, size := utf8.DecodeRune(word)
		if b := m.blanks; b != nil {
			if r == b.mark && !b.behind[last] {
				ids = g.finish(m.rank, ids)
				g.begin()
			}
			last = b.lastOf(r, size)
		}
		id, ok := m.chars[r]
		ok = ok && (r != utf8.RuneError || size > 1)
		switch {
		case ok:
			g.push(id)
		case m.fallback:
			for _, b := range word[:size] {
				m.pushByte(g, b)
			}
		case !unknown || !m.fuse:
			g.push(m.unknown)
		}
		unknown = !ok
		word = word[size:]
	}
	return g.finish(m.rank, ids)
}

package tokenizer

// Limits of what a memo holds.
const (
	maxMemoWords = 1 << 15
	maxMemoWord  = 32 // bytes
)

// memo remembers the ids of short words: most words of a text have occurred in it before.
type memo struct {
	places map[string]place
	ids    []int64
}

// place is where the ids of a word lie.
type place struct{ from, to int }

// find answers the ids of a word that is remembered.
func (m *memo) find(word []byte) (ids []int64, ok bool) {
	p, ok := m.places[string(word)]
	return m.ids[p.from:p.to], ok
}

// add remembers a word. When there are too many, all are forgotten.
func (m *memo) add(word []byte, ids []int64) {
	if len(word) > maxMemoWord {
		return
	}
	if m.places == nil || len(m.places) == maxMemoWords {
		m.places, m.ids = make(map[string]place), m.ids[:0]
	}
	from := len(m.ids)
	m.ids = append(m.ids, ids...)
	m.places[string(word)] = place{from, len(m.ids)}
}

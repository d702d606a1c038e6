package tokenizer

import (
	"cmp"
	"container/heap"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Learner learns a byte-level BPE from texts, as Hugging Face's BpeTrainer does: of the pairs
// of neighbours within words, that which occurs most often becomes a token, again and again;
// of equally frequent ones that of the smallest ids. A pair must occur twice. Nothing depends
// on the order of the texts, unless there are more different words than are counted.
//
// Words are counted in bounded memory: beyond maxWords of them, or maxWordBytes in all, those
// that have occurred least are forgotten.
type Learner struct {
	words  stage
	counts map[string]int64
	bytes  int   // of the words
	rare   int64 // words forgotten last time had occurred this often
	held   []byte
}

// Limits of the words that are counted.
const (
	maxWords     = 4 << 20
	maxWordBytes = 256 << 20
	maxOneWord   = 1 << 20
	// MinVocabulary is a token for each byte and one that ends texts.
	MinVocabulary = 257
)

// Add counts the words of a text.
func (l *Learner) Add(r io.Reader) error {
	if l.counts == nil {
		pattern, err := newAutomaton(patternGPT2)
		if err != nil {
			return err
		}
		l.counts, l.words = map[string]int64{}, stage{pattern: pattern, behavior: isolated}
	}
	l.held = l.held[:0]
	for {
		n := len(l.held)
		l.held = append(l.held, make([]byte, 64<<10)...)
		read, err := io.ReadFull(r, l.held[n:])
		l.held = l.held[:n+read]
		end := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !end {
			return err
		}
		text, open := l.held, !end && len(l.held) <= maxOneWord
		if open {
			text = wholeCharacters(text)
		}
		at := 0
		l.words.cut(text, open, func(from, to int) {
			l.count(text[from:to])
			at = to
		})
		if end {
			return nil
		}
		l.held = append(l.held[:0], l.held[at:]...)
	}
}

func (l *Learner) count(w []byte) {
	before := len(l.counts)
	l.counts[string(w)]++
	if len(l.counts) == before {
		return
	}
	l.bytes += len(w)
	for len(l.counts) > maxWords || l.bytes > maxWordBytes {
		l.rare++
		maps.DeleteFunc(l.counts, func(w string, n int64) bool {
			if n <= l.rare {
				l.bytes -= len(w)
			}
			return n <= l.rare
		})
	}
}

// Learn makes a tokenizer of size tokens, or of fewer when no pair occurs twice any more.
// <|endoftext|> is the first, then come the bytes, then the pairs in the order they were found.
func (l *Learner) Learn(size int) (*Pipeline, error) {
	if size < MinVocabulary || size > maxVocabulary {
		return nil, fmt.Errorf("a vocabulary of %d tokens: want %d to %d", size, MinVocabulary, maxVocabulary)
	}
	p := newPairs(l.counts)
	for len(p.tokens) < size && p.join() {
	}
	b, err := p.tokenizer()
	if err != nil {
		return nil, err
	}
	files, err := HuggingFace(b)
	if err != nil {
		return nil, err
	}
	raw, err := json.MarshalIndent(files["tokenizer.json"], "", "  ")
	if err != nil {
		return nil, err
	}
	return ParseHuggingFace(append(raw, '\n'), endOfTextToken)
}

// bigram is two neighbouring tokens.
type bigram struct{ left, right int32 }

func (p bigram) compare(o bigram) int {
	return cmp.Or(cmp.Compare(p.left, o.left), cmp.Compare(p.right, o.right))
}

// pairs is the state of learning: every different word as tokens, how often it occurs, and how
// often every pair does.
type pairs struct {
	tokens  []string // as bytes
	ids     map[string]int32
	words   [][]int32
	times   []int64
	counts  map[bigram]int64
	gained  map[bigram][]int32 // words that the join at hand gave a pair to
	queue   queue
	merges  []bigram // in order; of one that occurs twice, the last counts
	mergeAt map[bigram]int
}

// newPairs begins with words of single bytes.
func newPairs(counts map[string]int64) *pairs {
	p := &pairs{tokens: []string{endOfTextToken}, ids: map[string]int32{}, counts: map[bigram]int64{}, gained: map[bigram][]int32{}, mergeAt: map[bigram]int{}}
	var idOf [256]int32
	letters := slices.SortedFunc(maps.Values(byteOf), func(a, b byte) int { return cmp.Compare(spelled[a], spelled[b]) })
	for _, b := range letters {
		idOf[b] = p.token(string([]byte{b}))
	}
	for _, text := range slices.Sorted(maps.Keys(counts)) {
		w, n := make([]int32, len(text)), counts[text]
		for i := range w {
			w[i] = idOf[text[i]]
		}
		number := int32(len(p.words))
		p.words, p.times = append(p.words, w), append(p.times, n)
		for i := 1; i < len(w); i++ {
			p.change(bigram{w[i-1], w[i]}, n, number)
		}
	}
	p.enqueue()
	return p
}

// token is the id of a token, a new one if there is none of these bytes.
func (p *pairs) token(text string) int32 {
	id, ok := p.ids[text]
	if !ok {
		id = int32(len(p.tokens))
		p.tokens, p.ids[text] = append(p.tokens, text), id
	}
	return id
}

// change counts a pair of a word, or takes it away.
func (p *pairs) change(of bigram, by int64, word int32) {
	p.counts[of] += by
	if by < 0 {
		return
	}
	if in := p.gained[of]; len(in) == 0 || in[len(in)-1] != word {
		p.gained[of] = append(in, word)
	}
}

// enqueue lets the pairs that were gained be chosen.
func (p *pairs) enqueue() {
	for of, words := range p.gained {
		if n := p.counts[of]; n > 0 {
			heap.Push(&p.queue, candidate{of, n, words})
		}
	}
	clear(p.gained)
}

// join makes the most frequent pair a token; it answers false when none is left.
func (p *pairs) join() bool {
	for len(p.queue) > 0 {
		c := heap.Pop(&p.queue).(candidate)
		if now := p.counts[c.bigram]; now != c.count { // others have taken some of it since
			if now > 0 {
				c.count = now
				heap.Push(&p.queue, c)
			}
			continue
		}
		if c.count < 2 {
			return false
		}
		id := p.token(p.tokens[c.left] + p.tokens[c.right])
		p.mergeAt[c.bigram] = len(p.merges)
		p.merges = append(p.merges, c.bigram)
		for _, w := range c.words {
			p.joinIn(w, c.bigram, id)
		}
		p.enqueue()
		return true
	}
	return false
}

// joinIn joins a pair in one word. As in the original, the count of the pair itself stays.
func (p *pairs) joinIn(number int32, of bigram, id int32) {
	w, n := p.words[number], p.times[number]
	out := w[:0]
	for i := 0; i < len(w); i++ {
		if i+1 == len(w) || w[i] != of.left || w[i+1] != of.right {
			out = append(out, w[i])
			continue
		}
		if len(out) > 0 {
			before := out[len(out)-1]
			p.change(bigram{before, of.left}, -n, number)
			p.change(bigram{before, id}, n, number)
		}
		if i+2 < len(w) {
			p.change(bigram{of.right, w[i+2]}, -n, number)
			p.change(bigram{id, w[i+2]}, n, number)
		}
		out = append(out, id)
		i++
	}
	p.words[number] = out
}

// tokenizer is what has been learned.
func (p *pairs) tokenizer() (*BPE, error) {
	vocab := make(map[string]int32, len(p.tokens))
	spell := func(id int32) string {
		var out strings.Builder
		for _, b := range []byte(p.tokens[id]) {
			out.WriteRune(spelled[b])
		}
		return out.String()
	}
	vocab[endOfTextToken] = 0
	for id := 1; id < len(p.tokens); id++ {
		vocab[spell(int32(id))] = int32(id)
	}
	raw, err := json.Marshal(vocab)
	if err != nil {
		return nil, err
	}
	var merges strings.Builder
	for i, m := range p.merges {
		if p.mergeAt[m] == i {
			fmt.Fprintf(&merges, "%s %s\n", spell(m.left), spell(m.right))
		}
	}
	return NewBPE(raw, []byte(merges.String()))
}

// candidate is a pair that may be joined, how often it occurred when it was put into the queue,
// and the words that had gained it then.
type candidate struct {
	bigram
	count int64
	words []int32
}

// queue has the most frequent pair on top, of equal ones the smallest.
type queue []candidate

func (q queue) Len() int      { return len(q) }
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q queue) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(q[j].count, q[i].count), q[i].compare(q[j].bigram), slices.Compare(q[i].words, q[j].words)) < 0
}

// Push appends a candidate.
func (q *queue) Push(x any) { *q = append(*q, x.(candidate)) }

// Pop takes the last one.
func (q *queue) Pop() any {
	last := len(*q) - 1
	c := (*q)[last]
	*q = (*q)[:last]
	return c
}

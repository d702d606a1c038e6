package tokenizer

import "unicode/utf8"

// finder finds the matches of an automaton in a text, one behind the other.
//
// A match may be found only after reading far beyond it, as when a run of white space might
// still end in a new line, and the next search reads the same characters again. When that
// happens often, the finder remembers from where nothing more matches, which bounds the
// time by the length of the text times the number of states, whatever the pattern.
type finder struct {
	*automaton
	text   []byte
	bytes  bool // each byte is a character, the one that stands for it in byte-level vocabularies
	steps  int
	failed []uint64 // a bit for each place of the text and state
}

// match is the length of the match that begins at a place of the text, −1 if none does;
// decided is false when it depends on what follows the text.
func (f *finder) match(at int) (n int, decided bool) {
	count := uint32(f.classes.count)
	state, begin, found, foundIn := uint32(start), at, -1, uint32(start)
	for f.failed == nil || !f.hasFailed(at, state) {
		if at == len(f.text) {
			if f.edges[state*count+count-1].match() {
				found, foundIn = at, state
			}
			break
		}
		class, size := f.class(at)
		e := f.edges[state*count+class]
		if e.match() {
			found, foundIn = at, state
		}
		if state = e.state(); state == dead {
			decided = true
			break
		}
		at += size
	}
	if f.steps += at - begin; f.failed != nil {
		f.fail(begin, found, foundIn, at)
	} else if f.steps > 4*len(f.text)+4096 {
		f.failed = make([]uint64, ((len(f.text)+1)*f.states()+63)/64)
	}
	if found < 0 {
		return -1, decided
	}
	return found - begin, decided
}

// class is the class of the character at a place, and its size in bytes.
func (f *finder) class(at int) (class uint32, size int) {
	switch c := f.text[at]; {
	case f.bytes:
		return uint32(f.classes.ofByte[c]), 1
	case c < utf8.RuneSelf:
		return uint32(f.classes.low[c]), 1
	}
	r, size := utf8.DecodeRune(f.text[at:])
	return uint32(f.classes.of(r)), size
}

func (f *finder) states() int { return len(f.edges) / f.classes.count }

func (f *finder) hasFailed(at int, state uint32) bool {
	bit := at*f.states() + int(state)
	return f.failed[bit/64]>>(bit%64)&1 == 1
}

// fail remembers the way of a search behind its match, which led to no further one.
func (f *finder) fail(at, found int, state uint32, end int) {
	if found < 0 {
		state = start
	} else {
		at = found
	}
	count := uint32(f.classes.count)
	for at < end {
		class, size := f.class(at)
		if state = f.edges[state*count+class].state(); state == dead {
			return
		}
		at += size
		bit := at*f.states() + int(state)
		f.failed[bit/64] |= 1 << (bit % 64)
	}
}

package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// lookahead is more than how far behind the end of a word its length depends on the text:
// a run of white space leaves its last character, of up to three bytes, to the word that
// follows, whose first character has up to four.
const lookahead = 8

// word is the length in bytes of the first word of text, as GPT-2's pattern cuts it:
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// in one pass without going back.
func word(text []byte) int {
	if n := contraction(text); n > 0 {
		return n
	}
	start := 0
	if text[0] == ' ' && len(text) > 1 {
		start = 1
	}
	if kind, _ := classify(text[start:]); kind != space {
		n := start
		for n < len(text) {
			k, size := classify(text[n:])
			if k != kind {
				break
			}
			n += size
		}
		return n
	}
	return spaces(text)
}

// spaces is the length of a run of white space, without its last character when a word
// follows, which takes it along.
func spaces(text []byte) int {
	n, last := 0, 0
	for n < len(text) {
		kind, size := classify(text[n:])
		if kind != space {
			if last > 0 {
				return last
			}
			return n
		}
		last = n
		n += size
	}
	return n
}

func contraction(text []byte) int {
	if text[0] != '\'' || len(text) < 2 {
		return 0
	}
	switch text[1] {
	case 's', 't', 'm', 'd':
		return 2
	}
	if len(text) >= 3 {
		switch string(text[1:3]) {
		case "re", "ve", "ll":
			return 3
		}
	}
	return 0
}

type class uint8

const (
	space class = iota
	letter
	number
	other
)

// classify is the class of the first character; a byte that is no UTF-8 is other.
func classify(text []byte) (class, int) {
	r, size := utf8.DecodeRune(text)
	switch {
	case r == utf8.RuneError && size <= 1:
		return other, 1
	case unicode.IsLetter(r):
		return letter, size
	case unicode.IsNumber(r):
		return number, size
	case unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f:
		return space, size
	}
	return other, size
}

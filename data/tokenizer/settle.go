package tokenizer

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A settler encodes the beginning of a text that goes on, as far as nothing that follows can
// change it, and answers its length.
type settler func(e *encoding, text []byte) ([]int64, int)

// settler is how texts of this tokenizer settle, nil when they do only at their end.
func (p *Pipeline) settler() settler {
	for _, t := range slices.Concat(p.added.tokens, p.addedBehind.tokens) {
		if t.single || t.lstrip {
			return nil // it would look at what is settled
		}
	}
	if p.composes() && p.cutsFirst() {
		return (*encoding).settleWords
	}
	if b := p.model.blanks; b != nil && len(p.addedBehind.tokens) == 0 {
		return b.settle
	}
	return nil
}

// composes reports whether nothing normalizes but NFC.
func (p *Pipeline) composes() bool {
	for _, n := range p.normalizers {
		if n != normalizer(unicodeForm(norm.NFC)) {
			return false
		}
	}
	return true
}

// cutsFirst reports whether a text is cut before anything is put into it.
func (p *Pipeline) cutsFirst() bool {
	if len(p.stages) == 0 || p.stages[0].pattern == nil || p.stages[0].prefix != "" || p.stages[0].meta != "" {
		return false
	}
	return !slices.ContainsFunc(p.stages, func(s stage) bool { return s.first })
}

// checkpoint is a place in a text that is settled, and how many ids there are by then.
type checkpoint struct{ at, ids int }

// settleTokens encodes up to the last added token that is settled. What is open begins at
// the answer from and ends where a token might begin that is not seen in full.
func (e *encoding) settleTokens(text []byte) (from, to int) {
	to = len(text) - e.added.longest + 1
	for at := 0; ; {
		h, ok := e.added.find(text, at, from)
		if !ok || h.from >= to {
			return from, max(from, to)
		}
		if h.token.rstrip && h.to > len(text)-utf8.UTFMax {
			return from, max(from, min(to, h.from))
		}
		e.part(text[min(from, h.from):h.from], from == 0)
		e.ids = append(e.ids, int64(h.token.id))
		at, from = h.end, h.to
	}
}

// settleWords settles word by word.
func (e *encoding) settleWords(text []byte) ([]int64, int) {
	begin, end := e.settleTokens(text)
	settled := []checkpoint{{0, len(e.ids)}}
	part := wholeCharacters(text[begin:end])
	if len(e.normalizers) > 0 {
		part = part[:max(0, norm.NFC.LastBoundary(part))]
	}
	normal := e.normalize(part)
	from, limit := 0, len(normal)-e.addedBehind.longest+1
	for at := 0; ; {
		h, ok := e.addedBehind.find(normal, at, from)
		if !ok || h.from >= limit {
			break
		}
		if h.token.rstrip && h.to > len(normal)-utf8.UTFMax {
			limit = h.from
			break
		}
		e.words(0, normal[min(from, h.from):h.from], false)
		e.ids = append(e.ids, int64(h.token.id))
		at, from = h.end, h.to
		settled = append(settled, checkpoint{from, len(e.ids)})
	}
	if from < limit {
		open := wholeCharacters(normal[from:limit])
		e.stages[0].cut(open, true, func(a, b int) {
			e.words(1, open[a:b], false)
			settled = append(settled, checkpoint{from + b, len(e.ids)})
		})
	}
	last := source(part, normal, settled)
	return e.ids[:last.ids], begin + last.at
}

// wholeCharacters is a text without a last character whose bytes are not all there.
func wholeCharacters(text []byte) []byte {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if tail := text[len(text)-n:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				return text[:len(text)-n]
			}
			break
		}
	}
	return text
}

// source is the last checkpoint in a normalized text that is a boundary in its source too,
// as the place there.
func source(text, normal []byte, settled []checkpoint) checkpoint {
	if bytes.Equal(text, normal) {
		return settled[len(settled)-1]
	}
	last := settled[0]
	var i norm.Iter
	i.Init(norm.NFC, text)
	for at, next := 0, 1; next < len(settled) && !i.Done(); {
		at += len(i.Next())
		for next < len(settled) && settled[next].at <= at {
			if settled[next].at == at {
				last = checkpoint{i.Pos(), settled[next].ids}
			}
			next++
		}
	}
	return last
}

// blanks is for texts whose blanks are written as a character of their own, a mark, and which
// are not cut otherwise, as SentencePiece does. Before a mark that no token has behind the
// character that is there, no merge can reach over: the text is cut there, and settles.
type blanks struct {
	mark    rune
	eaten   bool // a text begins with a mark anyway, so that the blank is not needed there
	first   bool // but only the first part does
	behind  map[rune]bool
	letters map[rune]int32
}

func (p *Pipeline) readBlanks() *blanks {
	b := &blanks{behind: map[rune]bool{}, letters: p.model.chars}
	switch {
	case !p.model.fallback || p.model.whole != nil || len(p.stages) > 1:
		return nil
	case len(p.stages) == 1:
		s := p.stages[0]
		if s.meta == "" || len(p.normalizers) > 0 {
			return nil
		}
		b.mark, _ = utf8.DecodeRuneInString(s.meta)
		b.first = s.first
	default:
		var before string
		for _, n := range p.normalizers {
			switch n := n.(type) {
			case prepend:
				before += string(n)
			case replace:
				if r, size := utf8.DecodeRune(n.to); string(n.from) == " " && size == len(n.to) && b.mark == 0 {
					b.mark = r
					continue
				}
				return nil
			default:
				return nil
			}
		}
		if before != "" && before != string(b.mark) {
			return nil
		}
		b.eaten = before != ""
	}
	if _, ok := b.letters[b.mark]; !ok || b.mark == ' ' {
		return nil
	}
	for _, content := range p.model.contents {
		last := rune(0)
		for _, r := range content {
			if r == b.mark {
				b.behind[last] = true
			}
			last = r
		}
	}
	return b
}

func (b *blanks) settle(e *encoding, text []byte) ([]int64, int) {
	before := len(e.ids)
	begin, end := e.settleTokens(text)
	part := wholeCharacters(text[begin:end])
	for at := len(part) - 2; at > 0; at-- {
		if part[at] != ' ' || b.joined(part[:at]) {
			continue
		}
		e.part(part[:at], begin == 0)
		if b.eaten {
			at++
		}
		return e.ids, begin + at
	}
	if b.first {
		return e.ids[:before], 0
	}
	return e.ids, begin
}

// joined reports whether a token may have both the last character of text and a blank.
func (b *blanks) joined(text []byte) bool {
	r, size := utf8.DecodeLastRune(text)
	if r == ' ' {
		r = b.mark
	}
	return b.behind[b.lastOf(r, size)]
}

// lastOf is the last character of the token that a character of so many bytes begins as: a
// character of the vocabulary itself, any other the token of its last byte.
func (b *blanks) lastOf(r rune, size int) rune {
	if _, ok := b.letters[r]; !ok || r == utf8.RuneError && size == 1 {
		return '>'
	}
	return r
}

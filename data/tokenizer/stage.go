package tokenizer

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
)

// stage is a step of cutting a text into words: what it puts before a piece, and how it
// cuts it.
type stage struct {
	prefix   string     // put before a piece that does not begin with it
	first    bool       // only before the first piece of a text
	meta     string     // replaces blanks
	pattern  *automaton // nil: the piece stays whole
	behavior string
	invert   bool // what does not match is cut out
	bytes    bool // every byte counts as a character
}

// Behaviours: what becomes of a match, a piece of its own, nothing, one with others beside
// it, a part of the piece before or behind.
const (
	isolated     = "Isolated"
	removed      = "Removed"
	contiguous   = "Contiguous"
	withPrevious = "MergedWithPrevious"
	withNext     = "MergedWithNext"
)

// patternGPT2 is what ByteLevel cuts by.
const patternGPT2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

// readStages reads a pre_tokenizer, a Sequence as several; bytes says that ByteLevel is
// among those before, and then among these.
func readStages(where string, raw json.RawMessage, bytes bool, depth int) (stages []stage, byteLevel bool, err error) {
	if isNull(raw) {
		return nil, bytes, nil
	}
	f := readFields(where, raw)
	s := stage{bytes: bytes, behavior: isolated}
	pattern := ""
	switch kind := want[string](f, "type"); kind {
	case "Sequence":
		for _, inner := range sequence(f, "pretokenizers", depth) {
			var more []stage
			if more, bytes, err = readStages(where, inner, bytes, depth+1); err != nil {
				return nil, bytes, err
			}
			stages = append(stages, more...)
		}
		return stages, bytes, f.done()
	case "ByteLevel":
		if bytes {
			f.fail("ByteLevel occurs twice")
		}
		if take(f, "add_prefix_space", true) {
			s.prefix = " "
		}
		if take(f, "use_regex", true) {
			pattern = patternGPT2
		}
		take(f, "trim_offsets", true)
		bytes = true
	case "Split":
		pattern = readPattern(f)
		s.behavior = f.oneOf("behavior", isolated, isolated, removed, contiguous, withPrevious, withNext)
		s.invert = take(f, "invert", false)
	case "Digits":
		pattern = `\p{N}`
		if !take(f, "individual_digits", false) {
			s.behavior = contiguous
		}
	case "Punctuation":
		pattern = "[\\p{P}!-/:-@\\[-`{-~]"
		s.behavior = f.oneOf("behavior", isolated, isolated, removed, contiguous, withPrevious, withNext)
	case "Metaspace":
		pattern = s.readMetaspace(f)
	default:
		f.fail("the type %.80q is unsupported, want ByteLevel, Split, Digits, Punctuation, Metaspace or Sequence", kind)
	}
	if err := f.done(); err != nil {
		return nil, bytes, err
	}
	if pattern != "" {
		if s.pattern, err = newAutomaton(pattern); err != nil {
			return nil, bytes, err
		}
	}
	if s.pattern == nil && s.prefix == "" && s.meta == "" {
		return nil, bytes, nil
	}
	return []stage{s}, bytes, nil
}

// readPattern reads {"Regex": pattern} or {"String": text}, which it quotes.
func readPattern(f *fields) string {
	var raw struct{ Regex *string }
	both := take(f, "pattern", json.RawMessage(nil))
	if json.Unmarshal(both, &raw) == nil && raw.Regex != nil {
		pattern := readFields(f.where+": pattern", both)
		text := want[string](pattern, "Regex")
		if err := pattern.done(); err != nil {
			f.fail("%w", err)
		}
		if text == "" {
			f.fail("the pattern is empty")
		}
		return text
	}
	f.left["pattern"] = both
	return regexp.QuoteMeta(readString(f))
}

// readMetaspace reads the stage that writes blanks as a character of their own.
func (s *stage) readMetaspace(f *fields) (pattern string) {
	s.meta = want[string](f, "replacement")
	if len([]rune(s.meta)) != 1 || s.bytes {
		f.fail("replacement: %.20q, want one character, and not behind ByteLevel", s.meta)
	}
	scheme := "always"
	if !take(f, "add_prefix_space", true) { // the spelling of earlier versions
		scheme = "never"
	}
	switch f.oneOf("prepend_scheme", scheme, "always", "first", "never") {
	case "always":
		s.prefix = s.meta
	case "first":
		s.prefix, s.first = s.meta, true
	}
	take(f, "str_rep", "")
	if take(f, "split", true) {
		s.behavior = withNext
		return regexp.QuoteMeta(s.meta)
	}
	return ""
}

// span is a part of a text, and whether it matched.
type span struct {
	from, to int
	match    bool
}

// enter is a piece with what the stage changes in it; first says that a text begins with it.
func (s *stage) enter(piece []byte, first bool) []byte {
	if s.meta != "" {
		piece = bytes.ReplaceAll(piece, []byte(" "), []byte(s.meta))
	}
	if s.prefix != "" && !bytes.HasPrefix(piece, []byte(s.prefix)) && (first || !s.first) {
		piece = slices.Concat([]byte(s.prefix), piece)
	}
	return piece
}

// cut calls yield with the parts of a text, in order. Of a text that goes on, open, come
// those that what follows cannot change.
func (s *stage) cut(text []byte, open bool, yield func(from, to int)) {
	if s.pattern == nil {
		if !open && len(text) > 0 {
			yield(0, len(text))
		}
		return
	}
	if s.behavior == isolated {
		s.spans(text, open, func(p span) { yield(p.from, p.to) })
		return
	}
	var all []span
	s.spans(text, open, func(p span) { all = append(all, span{p.from, p.to, p.match != s.invert}) })
	all = join(all, s.behavior)
	if open && len(all) > 0 {
		all = all[:len(all)-1]
	}
	for _, p := range all {
		yield(p.from, p.to)
	}
}

// spans calls yield with the matches and what lies between them.
func (s *stage) spans(text []byte, open bool, yield func(span)) {
	f := finder{automaton: s.pattern, text: text, bytes: s.bytes}
	begin := 0 // of what does not match
	for at := 0; at < len(text); {
		n, decided := f.match(at)
		if open && !decided {
			return
		}
		if n < 0 {
			_, size := f.class(at)
			at += size
			continue
		}
		if begin < at {
			yield(span{begin, at, false})
		}
		yield(span{at, at + n, true})
		at += n
		begin = at
	}
	if begin < len(text) && !open {
		yield(span{begin, len(text), false})
	}
}

// join puts spans together as a behaviour says.
func join(all []span, behavior string) []span {
	var out []span
	switch behavior {
	case removed:
		return slices.DeleteFunc(all, func(p span) bool { return p.match })
	case contiguous:
		for _, p := range all {
			if n := len(out); n > 0 && out[n-1].match == p.match {
				out[n-1].to = p.to
			} else {
				out = append(out, p)
			}
		}
	case withPrevious:
		for i, p := range all {
			if n := len(out); n > 0 && p.match && !all[i-1].match {
				out[n-1].to = p.to
			} else {
				out = append(out, p)
			}
		}
	case withNext:
		for i, p := range slices.Backward(all) {
			if n := len(out); n > 0 && p.match && !all[i+1].match {
				out[n-1].from = p.from
			} else {
				out = append(out, p)
			}
		}
		slices.Reverse(out)
	}
	return out
}

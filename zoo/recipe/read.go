package recipe

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

// reader turns trees into values. It keeps the first mistake; after one, everything it
// answers is meaningless.
type reader struct{ err error }

func (r *reader) fail(at place, hint, format string, args ...any) {
	if r.err == nil {
		r.err = at.errorf(hint, format, args...)
	}
}

// section reads the keys of one mapping and refuses those that nobody asked for.
type section struct {
	*reader
	n     *node
	at    place
	name  string
	known []string

	missing func() // says what the section needs; a misspelt key explains it better
}

// section begins a mapping; an absent or empty one has no keys. What stands around it is
// at, the place of mistakes about an absent one.
func (r *reader) section(n *node, at place, name string) *section {
	if n != nil {
		at = n.at
		if n.kind != mapNode && n.kind != nullNode {
			r.fail(n.at, "", "%s: got %s, want key: value", name, n.what())
		}
	}
	return &section{reader: r, n: n, at: at, name: name}
}

func (s *section) get(key string) *node {
	s.known = append(s.known, key)
	return s.n.get(key)
}

// done refuses unknown keys, then keys that are missing.
func (s *section) done() {
	s.refuseUnknown()
	if s.missing != nil {
		s.missing()
	}
}

func (s *section) refuseUnknown() {
	if s.n == nil {
		return
	}
next:
	for _, e := range s.n.entries {
		for _, k := range s.known {
			if k == e.key {
				continue next
			}
		}
		hint := didYouMean(e.key, s.known)
		if flag, ok := elsewhere[e.key]; ok && Nearest(e.key, s.known) == "" {
			hint = "that is said on the command line, with " + flag
		}
		s.fail(e.at, hint, "%s has no key %s", s.name, quoteShort(e.key))
		return
	}
}

// elsewhere are keys that people look for in recipes, but only the command line has: a
// recipe never says what is read or written.
var elsewhere = map[string]string{
	"out": "--out", "output": "--out", "path": "--data", "file": "--data", "plugin_dir": "--plugin-dir", "resume": "--resume",
}

// text is a word.
func (s *section) text(key, def string) string {
	n := s.get(key)
	if n == nil || n.kind == nullNode {
		return def
	}
	if n.kind != scalarNode {
		s.fail(n.at, "", "%s: got %s, want a word", key, n.what())
		return def
	}
	return n.text
}

// choice is one of a few words.
func choice[T ~string](s *section, key string, def T, among ...T) T {
	n := s.get(key)
	if n == nil || n.kind == nullNode {
		return def
	}
	words := make([]string, len(among))
	for i, w := range among {
		words[i] = string(w)
		if n.kind == scalarNode && n.text == words[i] {
			return w
		}
	}
	s.fail(n.at, didYouMean(n.text, words), "%s: got %s, want %s", key, n.what(), strings.Join(words, " or "))
	return def
}

var (
	plainInt = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
	// oddWord is a word that some readers of YAML take for a truth value or nothing.
	oddWord    = regexp.MustCompile(`^(?i:y|yes|n|no|on|off|true|false|null|~)$`)
	plainFloat = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)
)

// integer reads a whole number of at least low.
func (r *reader) integer(n *node, key string, low int64) int64 {
	if n.kind != scalarNode || n.quoted || !plainInt.MatchString(n.text) {
		hint := ""
		switch clear := clearInteger(n.text); {
		case n.kind != scalarNode:
		case clear != "":
			hint = "write " + clear
		case strings.ContainsAny(n.text, "0123456789"):
			hint = "write it in plain digits, without leading zeros, underscores or exponents"
		}
		r.fail(n.at, hint, "%s: got %s, want a whole number", key, n.what())
		return low
	}
	v, err := strconv.ParseInt(n.text, 10, 64)
	if err != nil || v > maxNumber {
		r.fail(n.at, "", "%s: %s is too large", key, n.text)
		return low
	}
	if v < low {
		r.fail(n.at, "", "%s: got %d, want at least %d", key, v, low)
		return low
	}
	return v
}

// clearInteger is how a whole number of odd form is written so that every reader takes it
// alike, "" when that is unknown.
func clearInteger(text string) string {
	s := strings.TrimPrefix(strings.ReplaceAll(text, "_", ""), "+")
	if len(s) > 40 {
		return ""
	}
	v, err := strconv.ParseFloat(s, 64) // 010 is ten, 1e3 a thousand; 0x10 sixteen needs a p
	if len(s) > 2 && s[0] == '0' && strings.ContainsRune("xXoObB", rune(s[1])) {
		var n int64
		n, err = strconv.ParseInt(s, 0, 53)
		v = float64(n)
	}
	if err != nil || v != math.Trunc(v) || math.Abs(v) > maxNumber {
		return ""
	}
	return strconv.FormatInt(int64(v), 10)
}

// maxNumber bounds single sizes, so that products of a few of them are checked before
// they overflow.
const maxNumber = 1 << 40

func (s *section) int(key string, def, low int64) int64 {
	n := s.get(key)
	if n == nil || n.kind == nullNode {
		return def
	}
	return s.integer(n, key, low)
}

// number reads a number within low … high, both included.
func (r *reader) number(n *node, key string, low, high float64) float64 {
	if n.kind != scalarNode || n.quoted || !plainFloat.MatchString(n.text) {
		r.fail(n.at, "", "%s: got %s, want a number such as 0.1 or 3e-4", key, n.what())
		return low
	}
	v, err := strconv.ParseFloat(n.text, 64)
	if err != nil || math.IsInf(v, 0) || v < low || v > high {
		bound := "at least " + format(low)
		if !math.IsInf(high, 0) {
			bound = format(low) + " to " + format(high)
		}
		r.fail(n.at, "", "%s: got %s, want %s", key, n.text, bound)
		return low
	}
	return v
}

func (s *section) float(key string, def, low, high float64) float64 {
	n := s.get(key)
	if n == nil || n.kind == nullNode {
		return def
	}
	return s.number(n, key, low, high)
}

func (s *section) bool(key string, def bool) bool {
	n := s.get(key)
	switch {
	case n == nil || n.kind == nullNode:
		return def
	case n.kind == scalarNode && !n.quoted && n.text == "true":
		return true
	case n.kind == scalarNode && !n.quoted && n.text == "false":
		return false
	}
	s.fail(n.at, "", "%s: got %s, want true or false", key, n.what())
	return def
}

// share reads a count, or a percentage of a whole.
func (s *section) share(key string, of, def int64) int64 {
	n := s.get(key)
	if n == nil || n.kind == nullNode {
		return def
	}
	if p, ok := strings.CutSuffix(n.text, "%"); ok && n.kind == scalarNode {
		part := *n
		part.text = p
		return int64(math.Round(s.number(&part, key, 0, 100) / 100 * float64(of)))
	}
	return s.integer(n, key, 0)
}

// width reads a number, or a multiple of the model's width: "3x".
func (s *section) width(key string, dModel int64) int64 {
	n := s.get(key)
	if n == nil || n.kind == nullNode {
		s.missing = func() {
			s.fail(s.at, "", "%s needs a %s, a number or a multiple of d_model such as 3x", s.name, key)
		}
		return 1
	}
	if p, ok := strings.CutSuffix(n.text, "x"); ok && n.kind == scalarNode {
		part := *n
		part.text = p
		w := s.number(&part, key, 0, 1e6) * float64(dModel)
		if w < 1 || w != math.Trunc(w) || w > maxNumber {
			s.fail(n.at, "", "%s: %s of d_model %d is no whole number of at least 1", key, n.text, dModel)
			return 1
		}
		return int64(w)
	}
	return s.integer(n, key, 1)
}

// format writes a number as a recipe would.
func format(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

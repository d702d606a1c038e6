package tokenizer

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Patterns of tokenizer.json are written for a backtracking engine, where one pattern can
// take exponential time. Here they become automata that read each character once; what has
// no such form (backreferences, looking behind) is refused. Of looking ahead, one character
// is known: (?!X) and (?=X), where X is a class such as \S.

// Limits of patterns in bytes and in instructions; the longest in use have about 300 and 100.
const (
	maxPattern      = 4096
	maxInstructions = 4096
)

// White space, digits and word characters as Unicode has them; in Go's syntax \s, \d and \w
// mean those of ASCII alone.
const (
	spaceClass = `\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}`
	otherClass = `\x{0}-\x{8}\x{E}-\x{1F}!-\x{84}\x{86}-\x{9F}\x{A1}-\x{167F}\x{1681}-\x{1FFF}\x{200B}-\x{2027}` +
		`\x{202A}-\x{202E}\x{2030}-\x{205E}\x{2060}-\x{2FFF}\x{3001}-\x{10FFFF}`
	wordClass = `\p{L}\p{M}\p{Nd}\p{Pc}`
)

// condition is what a lookahead wants of the next character, the end of the text included.
type condition struct {
	ranges   []rune // pairs
	negative bool
}

// A lookahead stands in the translated pattern as one of the last code points, which are no
// characters.
const (
	firstMark     = 0x10FFF0
	maxLookaheads = 14
)

func isMark(r rune) bool { return r >= firstMark && r < firstMark+maxLookaheads }

// translation is a pattern on its way into Go's syntax.
type translation struct {
	in    string
	at    int
	out   strings.Builder
	looks []condition
	class bool // inside of [ ]
}

// parsePattern reads a pattern.
func parsePattern(pattern string) (*syntax.Prog, []condition, error) {
	if len(pattern) > maxPattern {
		return nil, nil, fmt.Errorf("a pattern of %d bytes is over the limit of %d", len(pattern), maxPattern)
	}
	t := &translation{in: pattern}
	for t.at < len(t.in) {
		if err := t.step(); err != nil {
			return nil, nil, fmt.Errorf("pattern %.80q, at %.20q: %w", pattern, t.in[t.at:], err)
		}
	}
	tree, err := syntax.Parse(t.out.String(), syntax.Perl)
	if err != nil {
		return nil, nil, fmt.Errorf("pattern %.80q: %w", pattern, err)
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, nil, fmt.Errorf("pattern %.80q: %w", pattern, err)
	}
	if len(prog.Inst) > maxInstructions {
		return nil, nil, fmt.Errorf("pattern %.80q: repeats too often", pattern)
	}
	return prog, t.looks, nil
}

// step translates one construct.
func (t *translation) step() error {
	rest := t.in[t.at:]
	switch c := rest[0]; {
	case c == '\\':
		return t.escape(rest)
	case t.class:
		if c == '[' || strings.HasPrefix(rest, "&&") {
			return errors.New("classes within classes are unsupported")
		}
		t.class = c != ']'
	case c == '[':
		return t.openClass(rest)
	case c == '^' || c == '$':
		return errors.New("anchors are unsupported")
	case strings.HasPrefix(rest, "{,"):
		return errors.New("repetitions need a lower bound")
	case strings.HasPrefix(rest, "(?"):
		return t.group(rest)
	}
	_, size := utf8.DecodeRuneInString(rest)
	return t.copy(size)
}

func (t *translation) copy(n int) error {
	for _, r := range t.in[t.at : t.at+n] {
		if isMark(r) {
			return errors.New("the last code points are no characters")
		}
	}
	t.out.WriteString(t.in[t.at : t.at+n])
	t.at += n
	return nil
}

// openClass takes over [ with a ^ or ] behind it, which are no ends.
func (t *translation) openClass(rest string) error {
	n := 1
	if strings.HasPrefix(rest[n:], "^") {
		n++
	}
	if strings.HasPrefix(rest[n:], "]") {
		return errors.New("an empty class is unsupported; write \\]")
	}
	t.class = true
	return t.copy(n)
}

func (t *translation) escape(rest string) error {
	if len(rest) < 2 {
		return errors.New("ends with a backslash")
	}
	classes := map[byte]string{'s': spaceClass, 'S': otherClass, 'd': `\p{Nd}`, 'D': `\P{Nd}`, 'w': wordClass}
	c := rest[1]
	if set, ok := classes[c]; ok {
		if !t.class {
			set = "[" + set + "]"
		}
		t.out.WriteString(set)
		t.at += 2
		return nil
	}
	switch {
	case c >= '0' && c <= '9' || c == 'k' || c == 'g':
		return errors.New("backreferences are refused: they cannot be matched in linear time")
	case strings.IndexByte("pPxnrtfva", c) >= 0:
		return t.copy(2)
	case c == 'u' && len(rest) >= 6:
		t.out.WriteString(`\x{` + rest[2:6] + `}`)
		t.at += 6
		return nil
	case c < 0x80 && (unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c))):
		return fmt.Errorf("the escape \\%c is unsupported", c)
	case c >= 0x80:
		t.at++ // the character itself
		return nil
	}
	return t.copy(2)
}

// group reads what begins with (?.
func (t *translation) group(rest string) error {
	for _, plain := range []string{"(?:", "(?i:"} {
		if strings.HasPrefix(rest, plain) {
			return t.copy(len(plain))
		}
	}
	if !strings.HasPrefix(rest, "(?!") && !strings.HasPrefix(rest, "(?=") {
		return errors.New("this kind of group is unsupported")
	}
	end := strings.IndexByte(rest, ')')
	if end < 0 {
		return errors.New("a group is not closed")
	}
	if len(t.looks) == maxLookaheads {
		return fmt.Errorf("looks ahead more than %d times", maxLookaheads)
	}
	inner := &translation{in: rest[3:end]}
	for inner.at < len(inner.in) {
		if err := inner.step(); err != nil {
			return err
		}
	}
	tree, err := syntax.Parse(inner.out.String(), syntax.Perl)
	if err != nil {
		return err
	}
	var ranges []rune
	switch {
	case tree.Op == syntax.OpCharClass:
		ranges = tree.Rune
	case tree.Op == syntax.OpLiteral && len(tree.Rune) == 1 && tree.Flags&syntax.FoldCase == 0:
		ranges = []rune{tree.Rune[0], tree.Rune[0]}
	default:
		return errors.New("looking ahead further than one character is unsupported")
	}
	t.out.WriteRune(rune(firstMark + len(t.looks)))
	t.looks = append(t.looks, condition{ranges, rest[2] == '!'})
	t.at += end + 1
	return nil
}

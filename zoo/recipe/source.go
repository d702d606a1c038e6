package recipe

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// source is a text that errors point into.
type source struct {
	name  string
	lines []string
}

func newSource(name, text string) *source {
	return &source{name: name, lines: strings.Split(text, "\n")}
}

// place is a stretch of one line of a source. Line and col count from 1, col and width
// in characters.
type place struct {
	src              *source
	line, col, width int
}

// Error is one mistake in a recipe or a setting.
type Error struct {
	File      string // as given to Parse; "--set" for a setting
	Line, Col int    // from 1, Col in characters; 0 when the mistake has no place
	Message   string
	Hint      string // what would be right; may be empty

	excerpt string
}

// Error is the whole message: file:line:col, the line, a caret and the hint.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(printable(e.File))
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Col)
	}
	b.WriteString(": " + printable(e.Message))
	if e.excerpt != "" {
		b.WriteString("\n" + e.excerpt)
	}
	if e.Hint != "" {
		b.WriteString("\nhint: " + printable(e.Hint))
	}
	return b.String()
}

// errorf is an error at a place.
func (p place) errorf(hint, format string, args ...any) *Error {
	e := &Error{Message: fmt.Sprintf(format, args...), Hint: hint}
	if p.src == nil {
		return e
	}
	e.File, e.Line, e.Col = p.src.name, p.line, p.col
	e.excerpt = p.excerpt()
	return e
}

// excerptWidth is how many characters of a line are shown.
const excerptWidth = 100

// excerpt is the place's line with a caret and a tail of tildes below it.
func (p place) excerpt() string {
	if p.line < 1 || p.line > len(p.src.lines) {
		return ""
	}
	text := firstRunes(p.src.lines[p.line-1], p.col+excerptWidth)
	if strings.TrimSpace(string(text)) == "" {
		return ""
	}
	at := min(max(p.col-1, 0), len(text))
	from := 0
	if at > excerptWidth*3/4 {
		from = at - excerptWidth/2
	}
	shown := text[from:min(len(text), from+excerptWidth)]
	at -= from
	tail := min(max(p.width, 1), max(len(shown)-at, 1)) - 1
	prefix := fmt.Sprintf("%4d | ", p.line)
	gutter := strings.Repeat(" ", len(prefix)-2) + "| "
	return prefix + printable(string(shown)) + "\n" + gutter + strings.Repeat(" ", at) + "^" + strings.Repeat("~", tail)
}

// firstRunes is the first n characters of s; a byte that is no UTF-8 counts as one.
func firstRunes(s string, n int) []rune {
	out := make([]rune, 0, min(n, len(s)))
	for _, r := range s {
		if len(out) == n {
			break
		}
		out = append(out, r)
	}
	return out
}

// printable replaces what could disturb a terminal, one character by one.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, s)
}

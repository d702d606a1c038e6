package show

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// row is a line of the text: what stands left, and numbers right.
type row struct {
	left               string
	parameters, active int64
	numbered           bool
}

// Text is the picture for a terminal: a line for each part, in brackets what repeats or stands
// side by side. Parameters are those of one repetition.
func (p *Picture) Text() string {
	var rows []row
	for _, x := range p.Items {
		rows = append(rows, x.rows()...)
	}
	for _, s := range p.Shared {
		rows = append(rows, row{}, row{left: head(s), parameters: s.Parameters, active: s.Active, numbered: true})
		rows = append(rows, row{left: "  one set of weights for all layers that name it"})
	}
	wide := 40
	for _, r := range rows {
		if r.numbered {
			wide = max(wide, utf8.RuneCountInString(r.left))
		}
	}
	var b strings.Builder
	title := p.Name
	if p.Doc != "" {
		title += ": " + p.Doc
	}
	fmt.Fprintf(&b, "%s\n%s\n%s parameters, %s of them active for a token\n\n", title, p.Facts, Thousands(p.Parameters), Thousands(p.Active))
	line := func(left, parameters, active string) {
		pad := strings.Repeat(" ", max(wide-utf8.RuneCountInString(left), 0))
		b.WriteString(strings.TrimRight(fmt.Sprintf("%s%s  %16s  %16s", left, pad, parameters, active), " ") + "\n")
	}
	line("", "parameters", "active")
	for _, r := range rows {
		if r.numbered {
			line(r.left, Thousands(r.parameters), Thousands(r.active))
		} else {
			line(r.left, "", "")
		}
	}
	return b.String()
}

// head is a part's first line.
func head(p Part) string { return p.Kind + "  " + strings.Join(p.Facts, ", ") }

// rows are the lines of an item; a group's stand behind a bracket.
func (x Item) rows() []row {
	if x.Part != nil {
		out := []row{{left: head(*x.Part), parameters: x.Parameters, active: x.Active, numbered: true}}
		for _, line := range x.Inside {
			out = append(out, row{left: "  " + line})
		}
		if len(x.States) > 0 {
			out = append(out, row{left: "  state: " + strings.Join(x.States, ", ")})
		}
		return out
	}
	label := fmt.Sprintf("%d ×", x.Times)
	if x.Parallel {
		label = "beside"
	}
	var out []row
	for _, inner := range x.Items {
		out = append(out, inner.rows()...)
	}
	blank := strings.Repeat(" ", utf8.RuneCountInString(label))
	for i := range out {
		bracket := " │ "
		switch {
		case len(out) == 1:
			bracket = " ─ "
		case i == 0:
			bracket = " ┌ "
		case i == len(out)-1:
			bracket = " └ "
		}
		if i > 0 {
			label = blank
		}
		out[i].left = label + bracket + out[i].left
	}
	return out
}

// Thousands writes a count with its thousands apart.
func Thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

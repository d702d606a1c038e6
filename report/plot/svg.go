package plot

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// Width of a drawing, in its own units; only large matrices are wider.
const Width = 480

// Style is the style sheet that drawings need: once in a page, or in each file.
const Style = `
.plot{font:13px system-ui,-apple-system,"Segoe UI",sans-serif;width:100%;height:auto;display:block}
.plot text{fill:var(--ink)}.plot .soft{fill:var(--soft)}.plot .line{fill:none;stroke-width:2;stroke-linejoin:round}
.plot .grid{stroke:var(--grid);stroke-width:1}.plot .axis{stroke:var(--soft);stroke-width:1;fill:none}
.plot .band{opacity:.16;stroke:none}.plot .heat{fill:var(--heat)}.plot .frame{fill:none;stroke:var(--grid)}
.plot .cold{fill:var(--cold)}.plot .end{font-size:11px;font-weight:600;paint-order:stroke;stroke:var(--paper);stroke-width:3px}
.plot .dot{fill:var(--c0);stroke:var(--c0);stroke-width:2}.plot .open{fill:var(--paper)}
.plot g.series:hover .line{stroke-width:3.5}.plot g.series:hover .band{opacity:.35}
:root{--paper:#fff;--ink:#1b1f24;--soft:#5b6571;--grid:#e3e6ea;--heat:#c2410c;--cold:#1769d2;--good:#1a7f4b;
--c0:#1769d2;--c1:#d2761e;--c2:#0f694b;--c3:#3a1ec3;--c4:#96864a;--c5:#2d9696;--c6:#e8127f;--c7:#781e00}
@media screen and (prefers-color-scheme:dark){:root{--paper:#14171b;--ink:#e6e9ed;--soft:#9aa5b1;--grid:#2c323a;--heat:#fb923c;--cold:#69b4f0;--good:#5fd38d;
--c0:#69b4f0;--c1:#f0872d;--c2:#96e196;--c3:#9678ff;--c4:#f0e03c;--c5:#3cf0e6;--c6:#ff4b96;--c7:#b4784b}}
@media print{:root{--ink:#000;--soft:#444;--grid:#ddd}}
`

// Drawing is a finished chart.
type Drawing struct {
	ID     string // of the element in a page, and of the file
	Title  string
	width  float64
	height float64
	body   strings.Builder
}

func newDrawing(id, title string) *Drawing { return &Drawing{ID: id, Title: title, width: Width} }

func (d *Drawing) put(format string, args ...any) { fmt.Fprintf(&d.body, format, args...) }

// text writes at a place; anchor is start, middle or end.
func (d *Drawing) text(x, y float64, anchor, class, s string) {
	d.put(`<text x="%s" y="%s" text-anchor="%s" class="%s">%s</text>`, num(x), num(y), anchor, class, html.EscapeString(s))
}

// SVG is the element as a page holds it.
func (d *Drawing) SVG() string {
	style := ""
	if d.width > Width { // on a phone it is moved sideways, rather than too small to read
		style = fmt.Sprintf(` style="min-width:%spx"`, num(0.9*d.width))
	}
	return fmt.Sprintf(`<svg id="%s" class="plot"%s xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" role="img" aria-label="%s">%s</svg>`,
		d.ID, style, num(d.width), num(d.height), html.EscapeString(d.Title), d.body.String())
}

// titleRow is the height of a file's title, which a page has in its own words.
const titleRow = 28.0

// File is the drawing as a file of its own, with its title.
func (d *Drawing) File() string {
	width, height := num(d.width), num(d.height+titleRow)
	return fmt.Sprintf(`<svg class="plot" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%s" height="%s"><style>%s</style><rect width="100%%" height="100%%" style="fill:var(--paper)"/><text x="8" y="20" style="font-weight:600">%s</text><g transform="translate(0 %s)">%s</g></svg>`+"\n",
		width, height, width, height, Style, html.EscapeString(shorten(d.Title, d.width)), num(titleRow), d.body.String())
}

// num is a coordinate with at most one decimal.
func num(x float64) string {
	s := strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64)
	if s == "-0" {
		return "0"
	}
	return s
}

// Colours is how many there are; further series are dashed. They were chosen so that people who
// see two kinds of colours tell them apart too, which a test computes.
const Colours = 8

var dashes = []string{"", "7 3", "2 3", "9 3 2 3"}

// stroke is the style of series n.
func stroke(n int) string {
	s := fmt.Sprintf("stroke:var(--c%d)", n%Colours)
	if dash := dashes[n/Colours%len(dashes)]; dash != "" {
		s += ";stroke-dasharray:" + dash
	}
	return s
}

// advance is about how wide a character is, in units, in a wide font.
const advance = 7.6

func widthOf(s string) float64 { return advance * float64(len([]rune(s))) }

// shorten cuts a text to a width in units.
func shorten(s string, width float64) string {
	r := []rune(s)
	n := int(width / advance)
	if len(r) <= n || n < 2 {
		return s
	}
	return string(r[:n-1]) + "…"
}

package show

import (
	"fmt"
	"html"
	"strings"
)

// Sizes of the drawing, in its own units.
const (
	wide      = 720.0 // of all
	margin    = 16.0
	nested    = 9.0 // how far the frame of a group stands inside of the one around it
	spineGap  = 26.0
	hang      = 34.0 // from the stream to a block
	lineHigh  = 17.0
	between   = 16.0 // one block and the next
	charWide  = 6.9  // of small text, on average
	titleWide = 8.0
)

// style is the style sheet: colours are variables, for light and dark pages and paper.
const style = `
.m{font:12px system-ui,-apple-system,"Segoe UI",sans-serif}
.m text{fill:var(--ink)}.m .soft{fill:var(--soft)}.m .title{font-size:14px;font-weight:600}.m .name{font-size:20px;font-weight:650}
.m .number{font-variant-numeric:tabular-nums}.m .stream{fill:none;stroke:var(--line);stroke-width:2}
.m .wire{fill:none;stroke:var(--line);stroke-width:1.4}.m .away{stroke-dasharray:4 3}.m .tip{fill:var(--line)}
.m .add{fill:var(--paper);stroke:var(--line);stroke-width:1.4}.m .frame{fill:none;stroke:var(--frame);stroke-width:1.2;stroke-dasharray:5 4}
.m .badge{fill:var(--paper);stroke:var(--frame);stroke-width:1.2}.m .box{fill:var(--c);fill-opacity:.1;stroke:var(--c);stroke-opacity:.55}
.m .edge{fill:var(--c)}.m .space{--c:var(--teal)}.m .attend{--c:var(--amber)}.m .expert{--c:var(--violet)}.m .dense{--c:var(--blue)}.m .plain{--c:var(--grey)}
:root{--paper:#fff;--ink:#1b1f24;--soft:#5b6571;--line:#8a94a0;--frame:#a9b2bd;--teal:#0f8f9c;--amber:#c07a10;--violet:#8a4bc2;--blue:#2f6fde;--grey:#6b7280}
@media(prefers-color-scheme:dark){:root{--paper:#14171b;--ink:#e6e9ed;--soft:#9aa5b1;--line:#6f7a87;--frame:#4a535f;--teal:#4dd0dc;--amber:#f0b65a;--violet:#c792ea;--blue:#7aa7ff;--grey:#a8b0bd}}
@media print{:root{--paper:#fff;--ink:#000;--soft:#444;--line:#777;--frame:#999;--teal:#0f8f9c;--amber:#c07a10;--violet:#8a4bc2;--blue:#2f6fde;--grey:#6b7280}}
`

// families are the colours of blocks; other kinds are plain.
var families = map[string]string{
	"mamba": "space", "mamba2": "space", "mamba3": "space", "s4d": "space", "s5": "space", "rglru": "space", "gated_deltanet": "space",
	"attention": "attend", "shared_transformer": "attend", "moe": "expert", "ff": "dense",
}

// drawing is a picture on its way to SVG. y is where the next thing goes.
type drawing struct {
	b            strings.Builder
	y            float64
	spine        float64 // x of the stream
	left, right  float64 // of blocks
	from         float64 // y from which the stream is still to be drawn
	deepest      int
	awaiting     float64 // y where a block that stands aside ended, 0 for none
	awaitingFrom float64 // and its x
}

// SVG is the picture as a file: the stream from the tokens to the logits runs down on the left,
// blocks read from it and add to it.
func (p *Picture) SVG() string {
	d := &drawing{deepest: depth(p.Items)}
	d.spine = margin + nested*float64(d.deepest) + spineGap
	d.left, d.right = d.spine+hang, wide-margin-nested*float64(d.deepest)-6
	d.header(p)
	for i, x := range p.Items {
		switch {
		case x.Part == nil || families[x.Kind] != "":
			d.item(x, 0)
		default:
			d.onStream(*x.Part, i == 0)
		}
	}
	d.stream(d.y)
	d.arrow(d.spine, d.y+4)
	d.text(d.spine, d.y+20, "middle", "soft", "logits")
	d.y += 34
	if len(p.Shared) > 0 {
		d.text(d.left, d.y+10, "start", "soft", "weights that layers share")
		d.y += 22
	}
	for _, s := range p.Shared {
		d.y += d.box(s, d.left, d.y, d.right) + between/2
	}
	d.y += margin / 2
	return fmt.Sprintf(`<svg class="m" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %.0f" width="%g" height="%.0f" role="img" aria-label="%s"><title>%s</title><style>%s</style><rect width="100%%" height="100%%" style="fill:var(--paper)"/>%s</svg>`+"\n",
		wide, d.y, wide, d.y, html.EscapeString("the layers of "+p.Name), html.EscapeString(p.Name), style, d.b.String())
}

// depth is how deep groups that repeat stand in one another.
func depth(items []Item) int {
	most := 0
	for _, x := range items {
		inner := depth(x.Items)
		if x.Times > 0 {
			inner++
		}
		most = max(most, inner)
	}
	return most
}

func (d *drawing) put(format string, args ...any) { fmt.Fprintf(&d.b, format, args...) }

func (d *drawing) text(x, y float64, anchor, class, s string) {
	d.put(`<text x="%.1f" y="%.1f" text-anchor="%s" class="%s">%s</text>`, x, y, anchor, class, html.EscapeString(s))
}

func (d *drawing) header(p *Picture) {
	d.y = margin + 16
	d.text(margin, d.y, "start", "name", p.Name)
	d.text(wide-margin, d.y-3, "end", "number", Thousands(p.Parameters)+" parameters")
	if p.Active != p.Parameters {
		d.text(wide-margin, d.y+14, "end", "soft number", Thousands(p.Active)+" active for a token")
	}
	const beside = 200 // the numbers on the right
	for i, s := range append(wrap(p.Doc, wide-2*margin-beside), wrap(p.Facts, wide-2*margin)...) {
		d.y += lineHigh
		if i == 0 {
			d.y += 3
		}
		d.text(margin, d.y, "start", "soft", s)
	}
	d.y += 26
	d.text(d.spine, d.y, "middle", "soft", "tokens")
	d.y += 6
	d.from = d.y
	d.y += 10
}

// stream draws the stream down to a place.
func (d *drawing) stream(y float64) {
	if y > d.from {
		d.put(`<path class="stream" d="M%.1f %.1fV%.1f"/>`, d.spine, d.from, y)
	}
	d.from = y
}

// arrow is the tip of an arrow that points down.
func (d *drawing) arrow(x, y float64) {
	d.put(`<path class="tip" d="M%.1f %.1fl-4 -7h8z"/>`, x, y)
}

// onStream is a part that the whole stream passes.
func (d *drawing) onStream(p Part, first bool) {
	d.stream(d.y)
	if !first {
		d.arrow(d.spine, d.y)
	}
	high := d.box(p, d.spine-spineGap+4, d.y, d.right)
	d.y += high
	d.from = d.y
	d.y += between
}

// item is a layer, or a group of some.
func (d *drawing) item(x Item, level int) {
	switch {
	case x.Part != nil:
		d.layer(*x.Part)
	case x.Parallel:
		d.beside(x.Items)
	default:
		d.group(x, level)
	}
}

// group is a frame around what repeats, with how often.
func (d *drawing) group(x Item, level int) {
	inset := nested * float64(level)
	top := d.y
	d.y += 14
	for _, inner := range x.Items {
		d.item(inner, level+1)
	}
	d.y -= between - 10
	left, right := margin+inset, wide-margin-inset
	d.put(`<rect class="frame" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="10"/>`, left, top, right-left, d.y-top)
	label := fmt.Sprintf("%d ×", x.Times)
	size := 12 + titleWide*float64(len([]rune(label)))
	at := right - 22 - size - 40*float64(level) // beside that of the group around
	d.put(`<rect class="badge" x="%.1f" y="%.1f" width="%.1f" height="20" rx="10"/>`, at, top-10, size)
	d.text(at+size/2, top+4, "middle", "", label)
	d.y += between
}

// layer is a block that reads the stream and adds to it.
func (d *drawing) layer(p Part) {
	d.arrive(d.left + 40)
	high := d.box(p, d.left, d.y, d.right)
	d.put(`<path class="wire" d="M%.1f %.1fH%.1f"/>`, d.spine, d.y+14, d.left-6)
	d.put(`<path class="tip" d="M%.1f %.1fl-7 -4v8z"/>`, d.left, d.y+14)
	if p.Aside {
		d.awaiting, d.awaitingFrom = d.y+high, d.left+40
	} else {
		d.add(d.left, d.y+high-14)
	}
	d.y += high + between
}

// arrive draws what a block aside hands to the one that is drawn next.
func (d *drawing) arrive(x float64) {
	if d.awaiting > 0 {
		d.put(`<path class="wire away" d="M%.1f %.1fV%.1f"/>`, x, d.awaiting, d.y-6)
		d.arrow(x, d.y)
	}
	d.awaiting = 0
}

// add is a wire from x back to the stream, and the sum there.
func (d *drawing) add(x, y float64) {
	d.put(`<path class="wire" d="M%.1f %.1fH%.1f"/>`, x, y, d.spine+14)
	d.put(`<path class="tip" d="M%.1f %.1fl7 -4v8z"/>`, d.spine+7, y)
	d.stream(y - 7)
	d.from = y + 7
	d.put(`<circle class="add" cx="%.1f" cy="%.1f" r="7"/><path class="wire" d="M%.1f %.1fh8m-4 -4v8"/>`, d.spine, y, d.spine-4, y)
}

// beside are blocks that read the same stream, and whose results are added together.
func (d *drawing) beside(items []Item) {
	const gap = 12.0
	n := float64(len(items))
	size := (d.right - d.left - gap*(n-1)) / n
	d.arrive(d.left + 40)
	d.y += 12 // the wires' way
	top, high := d.y, 0.0
	for _, x := range items {
		high = max(high, boxHigh(*x.Part, size))
	}
	for i, x := range items {
		left := d.left + float64(i)*(size+gap)
		d.boxOf(*x.Part, left, top, left+size, high)
		d.put(`<path class="wire" d="M%.1f %.1fV%.1f"/>`, left+size/2, top-12, top-6)
		d.arrow(left+size/2, top)
		d.put(`<path class="wire" d="M%.1f %.1fV%.1f"/>`, left+size/2, top+high, top+high+14)
	}
	last := d.left + (n-1)*(size+gap) + size/2
	d.put(`<path class="wire" d="M%.1f %.1fH%.1f"/>`, d.spine, top-12, last)
	d.add(last, top+high+14)
	d.y = top + high + 14 + between
}

// box draws a part and answers how high it is.
func (d *drawing) box(p Part, left, top, right float64) float64 {
	high := boxHigh(p, right-left)
	d.boxOf(p, left, top, right, high)
	return high
}

func (d *drawing) boxOf(p Part, left, top, right, high float64) {
	family := families[strings.Fields(p.Kind)[0]]
	if family == "" {
		family = "plain"
	}
	d.put(`<g class="%s"><rect class="box" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="6"/><rect class="edge" x="%.1f" y="%.1f" width="4" height="%.1f" rx="2"/></g>`,
		family, left, top, right-left, high, left, top+4, high-8)
	y := top + 20
	d.text(left+14, y, "start", "title", p.Kind)
	d.text(right-10, y, "end", "soft number", numbers(p, right-left))
	for _, l := range p.lines(right - left) {
		y += lineHigh
		d.text(left+14, y, "start", l.class, l.text)
	}
}

// numbers are a part's parameters, and those that a token meets where they are fewer and there
// is room.
func numbers(p Part, size float64) string {
	if p.Parameters == 0 {
		return ""
	}
	s := Thousands(p.Parameters)
	if p.Active != p.Parameters && size > 400 {
		s += ", " + Thousands(p.Active) + " active"
	}
	return s
}

// line is one of the small lines in a box.
type line struct{ class, text string }

// lines are those that fit a width.
func (p Part) lines(size float64) []line {
	var out []line
	add := func(class, s string) {
		for _, part := range wrap(s, size-24) {
			out = append(out, line{class, part})
		}
	}
	add("", strings.Join(p.Facts, ", "))
	for _, s := range p.Inside {
		add("", s)
	}
	if p.Active != p.Parameters && size <= 400 {
		add("soft", Thousands(p.Active)+" active")
	}
	if len(p.States) > 0 {
		add("soft", "carries "+strings.Join(p.States, ", "))
	}
	return out
}

// boxHigh is how high the box of a part is, at a width.
func boxHigh(p Part, size float64) float64 { return 30 + lineHigh*float64(len(p.lines(size))) }

// wrap breaks text into lines that fit.
func wrap(s string, size float64) []string {
	most := max(int(size/charWide), 8)
	var out []string
	now := ""
	for _, word := range strings.Fields(s) {
		if now != "" && len([]rune(now))+1+len([]rune(word)) > most {
			out, now = append(out, now), ""
		}
		if now != "" {
			now += " "
		}
		now += word
	}
	if now != "" {
		out = append(out, now)
	}
	return out
}

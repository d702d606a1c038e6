package bench

import (
	"cmp"
	"fmt"
	"html"
	"io"
	"maps"
	"slices"
	"strings"
)

// box is a frame with those inside of it.
type box struct {
	name  string
	ms    float64
	inner map[string]*box
}

// Sizes of the drawing, in pixels.
const (
	flameWidth  = 1200.0
	flameHeight = 26.0 // of a row
	flameMargin = 8.0
)

var flameColours = map[string]string{"forward": "#f4a259", "backward": "#5b8e7d", "update": "#8cb369"}

// WriteFlame draws where the time of a training step went, as an SVG of nested boxes: the
// step, its passes, layers, blocks and operators, each as wide as its time. Pointing at a
// box tells its milliseconds.
func WriteFlame(w io.Writer, r *Report) error {
	root := &box{name: "training step of " + r.Recipe, inner: map[string]*box{}}
	depth := 1
	for path, ms := range r.Frames {
		parts := strings.Split(path, ";")
		depth = max(depth, len(parts)+1)
		root.ms += ms
		at := root
		for _, p := range parts {
			if at.inner[p] == nil {
				at.inner[p] = &box{name: p, inner: map[string]*box{}}
			}
			at = at.inner[p]
			at.ms += ms
		}
	}
	if root.ms == 0 {
		return fmt.Errorf("there is no profile to draw: measure the training step")
	}
	height := float64(depth)*flameHeight + 2*flameMargin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" font-family="sans-serif" font-size="12">`+"\n", flameWidth+2*flameMargin, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/>`+"\n")
	root.draw(&b, flameMargin, flameMargin, flameWidth/root.ms, root.ms, "#dddddd")
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// draw puts the box at x and y, and those inside below it, the widest first.
func (f *box) draw(b *strings.Builder, x, y, perMs, total float64, colour string) {
	width := f.ms * perMs
	if width < 0.3 {
		return
	}
	name := html.EscapeString(f.name)
	fmt.Fprintf(b, `<g><title>%s: %.2f ms, %.1f %%</title><rect x="%.2f" y="%.1f" width="%.2f" height="%.1f" fill="%s" stroke="white"/>`, name, f.ms, 100*f.ms/total, x, y, width, flameHeight, colour)
	if fits := int((width - 6) / 7); fits >= 3 {
		text := f.name
		if len(text) > fits {
			text = text[:fits-1] + "…"
		}
		fmt.Fprintf(b, `<text x="%.2f" y="%.1f">%s</text>`, x+4, y+flameHeight-8, html.EscapeString(text))
	}
	b.WriteString("</g>\n")
	inside := slices.SortedFunc(maps.Values(f.inner), func(a, c *box) int { return cmp.Or(-cmp.Compare(a.ms, c.ms), cmp.Compare(a.name, c.name)) })
	for _, in := range inside {
		shade := colour
		if c, ok := flameColours[in.name]; ok {
			shade = c
		}
		in.draw(b, x, y+flameHeight, perMs, total, shade)
		x += in.ms * perMs
	}
}

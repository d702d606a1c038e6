package plot

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Line is a series of points, with a band around it when Low and High are there.
type Line struct {
	Name   string
	Number int // at its end and in the legend; none for 0
	// Colour counts through the colours, and on through them with one kind of dashes after another.
	Colour    int
	X, Y      []float64
	Low, High []float64
	Dots      bool
}

// Lines draws series over two axes, with a legend below. Each has its number where it ends, so
// that a reader needs no colours.
type Lines struct {
	ID, Title string
	X, Y      Axis
	Series    []Line
	FormatX   func(float64) string // of ticks; as many digits as tell them apart when nil
	FormatY   func(float64) string
}

// Margins and the height of the plotted area.
const (
	left, right, top = 62.0, 26.0, 12.0
	legendLeft       = 24.0
	area             = 270.0
	legendRow        = 20.0
)

// Draw draws.
func (l Lines) Draw() *Drawing {
	d := newDrawing(l.ID, l.Title)
	var xs, ys []float64
	for _, s := range l.Series {
		xs = append(xs, s.X...)
		ys = append(append(append(ys, s.Y...), s.Low...), s.High...)
	}
	x := scale{l.X.fit(xs), left, Width - right}
	y := scale{l.Y.fit(ys), top + area, top}
	if l.Y.Low == 0 && l.Y.High == 0 {
		y.Axis = y.padded()
	}
	d.grid(x, y, or(l.FormatX, labels(x.ticks(ticksX))), or(l.FormatY, labels(y.ticks(ticksY))))
	d.put(`<clipPath id="%s-area"><rect x="%s" y="%s" width="%s" height="%s"/></clipPath>`, l.ID, num(left), num(top), num(Width-left-right), num(area))
	for _, s := range l.Series {
		d.series(l.ID, s, x, y)
	}
	d.ends(l.Series, x, y)
	d.height = top + area + 46
	d.legend(l.Series)
	return d
}

func or(f, otherwise func(float64) string) func(float64) string {
	if f == nil {
		return otherwise
	}
	return f
}

// About so many ticks.
const (
	ticksX = 7
	ticksY = 6
)

// grid draws both axes with their ticks and labels.
func (d *Drawing) grid(x, y scale, formatX, formatY func(float64) string) {
	for _, t := range y.ticks(ticksY) {
		d.put(`<path class="grid" d="M%s %sH%s"/>`, num(left), num(y.at(t)), num(Width-right))
		d.text(left-7, y.at(t)+4, "end", "soft", formatY(t))
	}
	last := math.Inf(-1)
	for _, t := range x.ticks(ticksX) {
		label := formatX(t)
		half := widthOf(label) / 2
		at := x.at(t)
		d.put(`<path class="grid" d="M%s %sV%s"/>`, num(at), num(top), num(top+area))
		if at-half < last+8 {
			continue // would touch the one before
		}
		shown := math.Min(at, Width-half)
		d.text(shown, top+area+18, "middle", "soft", label)
		last = shown + half
	}
	d.put(`<path class="axis" d="M%s %sV%sH%s"/>`, num(left), num(top), num(top+area), num(Width-right))
	d.text((left+Width-right)/2, top+area+37, "middle", "", x.Label)
	d.put(`<text transform="translate(14 %s) rotate(-90)" text-anchor="middle">%s</text>`, num(top+area/2), html.EscapeString(y.Label))
}

// series draws one line with its band.
func (d *Drawing) series(id string, s Line, x, y scale) {
	d.put(`<g class="series"><title>%s</title><g clip-path="url(#%s-area)">`, html.EscapeString(s.Name), id)
	if len(s.Low) > 0 {
		d.put(`<path class="band" style="fill:var(--c%d)" d="%s%sZ"/>`, s.Colour%Colours, path(x, y, s.X, s.High, false), path(x, y, s.X, s.Low, true))
	}
	d.put(`<path class="line" style="%s" d="%s"/></g>`, stroke(s.Colour), path(x, y, s.X, s.Y, false))
	if s.Dots {
		for i := range s.X {
			d.put(`<circle cx="%s" cy="%s" r="3.2" style="fill:var(--c%d)"/>`, num(x.at(s.X[i])), num(y.at(s.Y[i])), s.Colour%Colours)
		}
	}
	d.put(`</g>`)
}

// path goes through points, or, back, on from where one has ended. Points without a value
// interrupt it.
func path(x, y scale, xs, ys []float64, back bool) string {
	var b strings.Builder
	command := "M"
	if back {
		command = "L"
	}
	for i := range xs {
		j := i
		if back {
			j = len(xs) - 1 - i
		}
		if math.IsNaN(ys[j]) || math.IsInf(ys[j], 0) {
			if !back {
				command = "M"
			}
			continue
		}
		fmt.Fprintf(&b, "%s%s %s", command, num(x.at(xs[j])), num(y.at(ys[j])))
		command = "L"
	}
	return b.String()
}

// legend names the series, in as many columns as fit.
func (d *Drawing) legend(series []Line) {
	longest := 0.0
	for _, s := range series {
		longest = math.Max(longest, widthOf(s.Name))
	}
	columns := int(math.Max(1, math.Min(3, (Width-legendLeft)/(longest+44))))
	if len(series) > 8 {
		columns = max(columns, 2)
	}
	rows := (len(series) + columns - 1) / columns
	each := (Width - legendLeft) / float64(columns)
	size := math.Max(9.5, math.Min(13, 13*(each-40)/longest))
	for i, s := range series {
		x, y := legendLeft+each*float64(i/rows), d.height+legendRow*float64(i%rows)+12
		if s.Number > 0 {
			d.text(x-4, y, "end", "end", fmt.Sprint(s.Number))
		}
		d.put(`<path class="line" style="%s" d="M%s %sh24"/>`, stroke(s.Colour), num(x), num(y-4))
		d.put(`<text x="%s" y="%s" style="font-size:%spx">%s</text>`, num(x+30), num(y), num(size), html.EscapeString(shorten(s.Name, (each-36)*13/size)))
	}
	d.height += legendRow*float64(rows) + 6
}

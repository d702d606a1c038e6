package plot

import (
	"html"
	"math"
)

// Interval is an estimate with its confidence interval.
type Interval struct {
	Name      string
	Value     float64 // NaN for none
	Low, High float64 // −∞ or +∞ where the interval is open
	Note      string  // instead of numbers
}

// Intervals draws estimates on a logarithmic axis, one below the other, with a line at 1.
type Intervals struct {
	ID, Title string
	Label     string
	Rows      []Interval
}

const (
	intervalLeft = 14.0
	intervalRow  = 46.0 // a line of words, and the interval below
)

// Draw draws.
func (v Intervals) Draw() *Drawing {
	d := newDrawing(v.ID, v.Title)
	low, high := 0.8, 1.25
	for _, r := range v.Rows {
		for _, x := range []float64{r.Value, r.Low, r.High} {
			if x > 0 && !math.IsInf(x, 0) {
				low, high = math.Min(low, x/1.1), math.Max(high, x*1.1)
			}
		}
	}
	low, high = math.Max(low, 1.0/32), math.Min(high, 64) // intervals of few seeds may be very wide
	s := scale{Axis{Log: true, Low: low, High: high}, intervalLeft, Width - intervalLeft}
	bottom := top + intervalRow*float64(len(v.Rows))
	last := math.Inf(-1)
	for _, t := range s.ticks(5) {
		label := Short(t) + "×"
		half := widthOf(label) / 2
		if at := math.Min(math.Max(s.at(t), half), Width-half); at-half > last+6 {
			d.text(at, bottom+17, "middle", "soft", label)
			last = at + half
		}
	}
	d.text(Width/2, bottom+36, "middle", "", v.Label)
	for i, r := range v.Rows {
		d.interval(r, s, top+intervalRow*float64(i))
	}
	d.height = bottom + 46
	return d
}

// interval draws one row.
func (d *Drawing) interval(r Interval, s scale, y float64) {
	d.put(`<g class="series"><title>%s</title>`, html.EscapeString(r.Name+": "+r.Note))
	d.text(intervalLeft, y+12, "start", "", shorten(r.Name, Width-2*intervalLeft-widthOf(r.Note)-8))
	d.text(Width-intervalLeft, y+12, "end", "soft", r.Note)
	for _, t := range s.ticks(5) {
		d.put(`<path class="grid" d="M%s %sV%s"/>`, num(s.at(t)), num(y+20), num(y+intervalRow-8))
	}
	y += 20 + (intervalRow-28)/2
	d.put(`<path class="grid" d="M%s %sH%s"/>`, num(s.from), num(y), num(s.to))
	d.put(`<path class="axis" d="M%s %sV%s"/>`, num(s.at(1)), num(y-9), num(y+9))
	if !math.IsNaN(r.Value) {
		clamp := func(x float64) float64 { return math.Min(math.Max(s.at(x), s.from), s.to) }
		d.put(`<path class="line" style="stroke:var(--c0);stroke-width:4;opacity:.6" d="M%s %sH%s"/>`, num(clamp(math.Max(r.Low, s.Low))), num(y), num(clamp(math.Min(r.High, s.High))))
		d.put(`<circle cx="%s" cy="%s" r="4.5" style="fill:var(--c0)"/>`, num(clamp(r.Value)), num(y))
	}
	d.put(`</g>`)
}

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
	intervalLeft  = 206.0
	intervalRight = 158.0
	intervalRow   = 24.0
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
	s := scale{Axis{Log: true, Low: low, High: high}, intervalLeft, Width - intervalRight}
	bottom := top + intervalRow*float64(len(v.Rows))
	last := math.Inf(-1)
	for _, t := range s.ticks(5) {
		label := Short(t) + "×"
		d.put(`<path class="grid" d="M%s %sV%s"/>`, num(s.at(t)), num(top), num(bottom))
		if at := s.at(t); at-widthOf(label)/2 > last+6 {
			d.text(at, bottom+17, "middle", "soft", label)
			last = at + widthOf(label)/2
		}
	}
	d.put(`<path class="axis" d="M%s %sV%s"/>`, num(s.at(1)), num(top), num(bottom))
	for i, r := range v.Rows {
		d.interval(r, s, top+intervalRow*(float64(i)+0.5))
	}
	d.text((intervalLeft+Width-intervalRight)/2, bottom+36, "middle", "", v.Label)
	d.height = bottom + 46
	return d
}

// interval draws one row.
func (d *Drawing) interval(r Interval, s scale, y float64) {
	d.put(`<g class="series"><title>%s</title>`, html.EscapeString(r.Name+": "+r.Note))
	d.text(intervalLeft-10, y+4, "end", "", shorten(r.Name, intervalLeft-14))
	clamp := func(x float64) float64 { return math.Min(math.Max(s.at(x), s.from), s.to) }
	if !math.IsNaN(r.Value) {
		from, to := clamp(math.Max(r.Low, s.Low)), clamp(math.Min(r.High, s.High))
		d.put(`<path class="line" style="stroke:var(--c0)" d="M%s %sH%s"/>`, num(from), num(y), num(to))
		d.put(`<circle cx="%s" cy="%s" r="4.5" style="fill:var(--c0)"/>`, num(clamp(r.Value)), num(y))
	}
	d.text(Width-4, y+4, "end", "soft", r.Note)
	d.put(`</g>`)
}

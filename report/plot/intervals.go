package plot

import (
	"html"
	"math"
)

// Interval is an estimate with its confidence interval.
type Interval struct {
	Name      string
	Value     float64 // NaN for none
	Low, High float64 // −∞ or +∞ where the interval is open, NaN where there is none
	Note      string  // the same in words
}

// Intervals draws estimates on an axis, one below the other, with a line where both sides are
// alike. A dot is hollow where the interval holds that value, or where there is no interval.
type Intervals struct {
	ID, Title string
	Label     string
	Ratios    bool // a logarithmic axis around 1; else one of differences, around 0
	Rows      []Interval
}

const (
	intervalLeft = 14.0
	intervalRow  = 46.0 // a line of words, and the interval below
)

// even is the value at which both sides are alike.
func (v *Intervals) even() float64 {
	if v.Ratios {
		return 1
	}
	return 0
}

// axis holds all estimates, and intervals as far as there is room for them: those of few seeds
// may be very wide.
func (v *Intervals) axis() Axis {
	a := Axis{Log: v.Ratios, Low: v.even(), High: v.even()}
	values := a // without the intervals
	for _, r := range v.Rows {
		for _, x := range []float64{r.Value, r.Low, r.High} {
			if math.IsNaN(x) || math.IsInf(x, 0) || v.Ratios && x <= 0 {
				continue
			}
			a.Low, a.High = math.Min(a.Low, x), math.Max(a.High, x)
			if x == r.Value {
				values.Low, values.High = math.Min(values.Low, x), math.Max(values.High, x)
			}
		}
	}
	if v.Ratios {
		return Axis{Log: true, Low: math.Min(0.8, math.Max(a.Low/1.1, 1.0/32)), High: math.Max(1.25, math.Min(a.High*1.1, 64))}
	}
	if reach := values.High - values.Low; reach > 0 {
		a.Low, a.High = math.Max(a.Low, values.Low-2*reach), math.Min(a.High, values.High+2*reach)
	}
	return a.fit(nil).padded()
}

// Draw draws.
func (v Intervals) Draw() *Drawing {
	d := newDrawing(v.ID, v.Title)
	s := scale{v.axis(), intervalLeft, Width - intervalLeft}
	bottom := top + intervalRow*float64(len(v.Rows))
	last := math.Inf(-1)
	ticks := s.ticks(5)
	words := labels(ticks)
	for _, t := range ticks {
		label := words(t)
		if v.Ratios {
			label += "×"
		}
		half := widthOf(label) / 2
		if at := math.Min(math.Max(s.at(t), half), Width-half); at-half > last+6 {
			d.text(at, bottom+17, "middle", "soft", label)
			last = at + half
		}
	}
	d.text(Width/2, bottom+36, "middle", "", v.Label)
	for i, r := range v.Rows {
		d.interval(r, s, top+intervalRow*float64(i), v.even())
	}
	d.height = bottom + 46
	return d
}

// interval draws one row.
func (d *Drawing) interval(r Interval, s scale, y, even float64) {
	d.put(`<g class="series"><title>%s</title>`, html.EscapeString(r.Name+": "+r.Note))
	d.text(intervalLeft, y+12, "start", "", shorten(r.Name, Width-2*intervalLeft-widthOf(r.Note)-8))
	d.text(Width-intervalLeft, y+12, "end", "soft", r.Note)
	for _, t := range s.ticks(5) {
		d.put(`<path class="grid" d="M%s %sV%s"/>`, num(s.at(t)), num(y+20), num(y+intervalRow-8))
	}
	y += 20 + (intervalRow-28)/2
	d.put(`<path class="grid" d="M%s %sH%s"/>`, num(s.from), num(y), num(s.to))
	d.put(`<path class="axis" d="M%s %sV%s"/>`, num(s.at(even)), num(y-9), num(y+9))
	if !math.IsNaN(r.Value) {
		clamp := func(x float64) float64 { return math.Min(math.Max(s.at(x), s.from), s.to) }
		if !math.IsNaN(r.Low) && !math.IsNaN(r.High) {
			d.put(`<path class="line" style="stroke:var(--c0);stroke-width:4;opacity:.6" d="M%s %sH%s"/>`, num(clamp(math.Max(r.Low, s.Low))), num(y), num(clamp(math.Min(r.High, s.High))))
		}
		class := "dot"
		if !(r.Low > even || r.High < even) {
			class = "dot open"
		}
		d.put(`<circle class="%s" cx="%s" cy="%s" r="4"/>`, class, num(clamp(r.Value)), num(y))
	}
	d.put(`</g>`)
}

package plot

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Heat draws panels of blocks of cells beside each other, at most three in a row: a panel is a
// seed, a block of it a layer, whose rows are experts and whose columns go along x. A cell holds
// how many times its even share something is; more and less have two colours.
type Heat struct {
	ID, Title string
	Label     string // of the x axes
	Panels    []Panel
	Legend    string // what the colours mean
}

// Panel is one of the maps: blocks with the same columns, one below the other.
type Panel struct {
	Name   string
	X      []float64 // the value at each column
	Blocks []Block
}

// Block is a layer of a heatmap: cells [row][column], NaN where there is nothing.
type Block struct {
	Name  string
	Cells [][]float64
}

// Full is how many times more, or fewer, than an even share has the full colour, in this many
// shades for each side.
const (
	Full   = 4.0
	shades = 6
)

const (
	panelsInARow = 3
	panelGap     = 16.0
	heatFont     = 11.0
)

// Draw draws.
func (h Heat) Draw() *Drawing {
	d := newDrawing(h.ID, h.Title)
	from := h.left()
	columns := min(len(h.Panels), panelsInARow)
	width := (Width - from - right + panelGap) / math.Max(float64(columns), 1)
	y := top
	for i := 0; i < len(h.Panels); i += panelsInARow {
		bottom := y
		for j, p := range h.Panels[i:min(i+panelsInARow, len(h.Panels))] {
			bottom = math.Max(bottom, d.panel(p, from, from+width*float64(j), y, width-panelGap, j == 0, len(h.Panels) > 1))
		}
		y = bottom + 8
	}
	d.text((from+Width-right)/2, y+10, "middle", "", h.Label)
	d.shades(y+24, h.Legend)
	return d
}

// left is the room that the names of blocks take.
func (h *Heat) left() float64 {
	longest := 0.0
	for _, p := range h.Panels {
		for _, b := range p.Blocks {
			longest = math.Max(longest, widthOf(b.Name)*heatFont/13)
		}
	}
	return math.Min(longest+14, 108)
}

// panel draws one panel and answers where it ends; the first of a row has the names of blocks
// at from.
func (d *Drawing) panel(p Panel, from, x, y, width float64, first, named bool) (bottom float64) {
	cell := width / math.Max(float64(len(p.X)), 1)
	if named {
		d.text(x+width/2, y+8, "middle", "soft", p.Name)
		y += 16
	}
	for _, b := range p.Blocks {
		row := math.Min(14, math.Max(3, 96/math.Max(float64(len(b.Cells)), 1)))
		height := row * float64(len(b.Cells))
		if first {
			d.put(`<text x="%s" y="%s" text-anchor="end" class="soft" style="font-size:%spx">%s</text>`, num(from-8), num(y+height/2+4), num(heatFont), html.EscapeString(shorten(b.Name, (from-12)*13/heatFont)))
		}
		d.cells(b.Cells, x, y, cell, row)
		d.put(`<rect class="frame" x="%s" y="%s" width="%s" height="%s"/>`, num(x), num(y), num(width), num(height))
		y += height + 7
	}
	if len(p.X) > 0 {
		axis := Axis{}.fit([]float64{p.X[0], p.X[len(p.X)-1]})
		s, last := scale{axis, x + cell/2, x + width - cell/2}, math.Inf(-1)
		for _, t := range axis.ticks(max(3, int(width/60))) {
			half := widthOf(Short(t)) / 2
			if at := math.Min(s.at(t), x+width+panelGap/2-half); at-half > last+6 {
				d.text(at, y+11, "middle", "soft", Short(t))
				last = at + half
			}
		}
	}
	return y + 14
}

// cells are paths, one for each shade, of runs of equal cells.
func (d *Drawing) cells(cells [][]float64, x, y, width, height float64) {
	var paths [2*shades + 1]strings.Builder
	for r, row := range cells {
		for c := 0; c < len(row); {
			shade, n := shadeOf(row[c]), 1
			for c+n < len(row) && shadeOf(row[c+n]) == shade {
				n++
			}
			if shade != 0 {
				fmt.Fprintf(&paths[shades+shade], "M%s %sh%sv%sh%sz", num(x+float64(c)*width), num(y+float64(r)*height), num(float64(n)*width), num(height), num(-float64(n)*width))
			}
			c += n
		}
	}
	for i := range paths {
		if p := paths[i].String(); p != "" {
			d.put(`<path %s d="%s"/>`, fill(i-shades), p)
		}
	}
}

// shadeOf is the shade of a multiple of the even share, from −shades to shades; 0 for even.
func shadeOf(v float64) int {
	switch {
	case math.IsNaN(v):
		return 0
	case v <= 0:
		return -shades
	}
	return int(math.Round(math.Min(math.Max(math.Log(v)/math.Log(Full), -1), 1) * shades))
}

// fill is what a shade looks like.
func fill(shade int) string {
	class, n := "heat", shade
	if shade < 0 {
		class, n = "cold", -shade
	}
	return fmt.Sprintf(`class="%s" style="opacity:%.3g"`, class, float64(n)/shades)
}

// shades says what the shades mean.
func (d *Drawing) shades(y float64, legend string) {
	const size, from = 11.0, 40.0
	for i := -shades; i <= shades; i++ {
		x := from + size*float64(i+shades)
		d.put(`<rect %s x="%s" y="%s" width="%s" height="%s"/>`, fill(i), num(x), num(y), num(size), num(size))
	}
	width := size * (2*shades + 1)
	d.put(`<rect class="frame" x="%s" y="%s" width="%s" height="%s"/>`, num(from), num(y), num(width), num(size))
	d.text(from-5, y+10, "end", "soft", "≤¼")
	d.text(from+width+6, y+10, "start", "soft", fmt.Sprintf("≥%g", Full)+" "+legend)
	d.height = y + 20
}

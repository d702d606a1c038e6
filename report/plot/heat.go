package plot

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Heat draws blocks of cells, one below the other: each block is a layer, its rows are experts,
// its columns go along x.
type Heat struct {
	ID, Title string
	Label     string // of the x axis
	Blocks    []Block
	X         []float64 // the value at each column
	// Full is the value that has the full colour; values from 0 on have as much of it.
	Full   float64
	Legend string // what the colour means
}

// Block is a layer of a heatmap: cells [row][column], NaN where there is nothing.
type Block struct {
	Name  string
	Cells [][]float64
}

// shades is how many shades of the colour there are.
const shades = 12

const heatLeft = 108.0

// Draw draws.
func (h Heat) Draw() *Drawing {
	d := newDrawing(h.ID, h.Title)
	columns := max(len(h.X), 1)
	cell := (Width - heatLeft - right) / float64(columns)
	y := top
	for _, b := range h.Blocks {
		row := math.Min(14, math.Max(3, 96/math.Max(float64(len(b.Cells)), 1)))
		height := row * float64(len(b.Cells))
		d.put(`<text x="%s" y="%s" text-anchor="end" class="soft" style="font-size:11px">%s</text>`, num(heatLeft-8), num(y+height/2+4), html.EscapeString(shorten(b.Name, (heatLeft-12)*13/11)))
		d.cells(b.Cells, h.Full, heatLeft, y, cell, row)
		d.put(`<rect class="frame" x="%s" y="%s" width="%s" height="%s"/>`, num(heatLeft), num(y), num(Width-heatLeft-right), num(height))
		y += height + 7
	}
	if len(h.X) > 0 {
		axis := Axis{}.fit([]float64{h.X[0], h.X[len(h.X)-1]})
		s := scale{axis, heatLeft + cell/2, Width - right - cell/2}
		for _, t := range axis.ticks(6) {
			d.text(math.Min(s.at(t), Width-widthOf(Short(t))/2), y+11, "middle", "soft", Short(t))
		}
	}
	d.text((heatLeft+Width-right)/2, y+30, "middle", "", h.Label)
	d.scale(y+42, h.Full, h.Legend)
	return d
}

// cells are paths, one for each shade, of runs of equal cells.
func (d *Drawing) cells(cells [][]float64, full, x, y, width, height float64) {
	var paths [shades + 1]strings.Builder
	for r, row := range cells {
		for c := 0; c < len(row); {
			shade, n := shadeOf(row[c], full), 1
			for c+n < len(row) && shadeOf(row[c+n], full) == shade {
				n++
			}
			if shade > 0 {
				fmt.Fprintf(&paths[shade], "M%s %sh%sv%sh%sz", num(x+float64(c)*width), num(y+float64(r)*height), num(float64(n)*width), num(height), num(-float64(n)*width))
			}
			c += n
		}
	}
	for shade := range paths {
		if p := paths[shade].String(); p != "" {
			d.put(`<path class="heat" style="opacity:%.3g" d="%s"/>`, float64(shade)/shades, p)
		}
	}
}

func shadeOf(v, full float64) int {
	if math.IsNaN(v) || v <= 0 {
		return 0
	}
	return int(math.Min(math.Round(v/full*shades), shades))
}

// scale says what the shades mean.
func (d *Drawing) scale(y, full float64, legend string) {
	for i := range shades {
		d.put(`<rect class="heat" style="opacity:%.3g" x="%s" y="%s" width="10" height="10"/>`, float64(i+1)/shades, num(heatLeft+30+10*float64(i)), num(y))
	}
	d.text(heatLeft+24, y+10, "end", "soft", "0")
	d.text(heatLeft+30+10*shades+6, y+10, "start", "soft", Short(full)+" "+legend)
	d.height = y + 20
}

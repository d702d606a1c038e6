package plot

import (
	"html"
	"math"
)

// Matrix draws a square of values with a short text in each cell; its rows and columns have the
// same names.
type Matrix struct {
	ID, Title string
	Names     []string
	Cells     [][]Cell // [row][column]
	Label     string
}

// Cell is a cell of a matrix: Shade from 0 to 1, and what stands in it.
type Cell struct {
	Shade float64
	Text  string
	Title string
}

// Left of a matrix are its names; its cells are at least as wide as this.
const (
	matrixLeft = 190.0
	matrixCell = 26.0
)

// Draw draws. Columns are numbered, rows named and numbered.
func (m Matrix) Draw() *Drawing {
	d := newDrawing(m.ID, m.Title)
	n := float64(len(m.Names))
	d.width = math.Max(Width, matrixLeft+matrixCell*n+right)
	width := (d.width - matrixLeft - right) / math.Max(n, 1)
	height := math.Min(math.Max(width, 20), 30)
	size := math.Min(12, width/2.6)
	y0 := top + 18
	for i, name := range m.Names {
		at := Short(float64(i + 1))
		y := y0 + height*(float64(i)+0.5) + 4
		d.text(matrixLeft-8, y, "end", "soft", at)
		d.text(matrixLeft-8-widthOf(at)-6, y, "end", "", shorten(name, matrixLeft-20-widthOf(at)))
		d.put(`<text x="%s" y="%s" text-anchor="middle" class="soft" style="font-size:%spx">%s</text>`, num(matrixLeft+width*(float64(i)+0.5)), num(top+12), num(size), at)
		for j, c := range m.Cells[i] {
			x, y := matrixLeft+width*float64(j), y0+height*float64(i)
			d.put(`<g><title>%s</title><rect style="fill:var(--good);opacity:%.3g" x="%s" y="%s" width="%s" height="%s"/>`, html.EscapeString(c.Title), 0.55*c.Shade, num(x), num(y), num(width), num(height))
			d.put(`<rect class="frame" x="%s" y="%s" width="%s" height="%s"/>`, num(x), num(y), num(width), num(height))
			if c.Text == "" {
				d.put(`</g>`)
				continue
			}
			d.put(`<text x="%s" y="%s" text-anchor="middle" style="font-size:%spx">%s</text></g>`, num(x+width/2), num(y+height/2+size/3), num(size), html.EscapeString(c.Text))
		}
	}
	bottom := y0 + height*n
	d.text(8, bottom+22, "start", "soft", m.Label)
	d.height = bottom + 32
	return d
}

package report

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"strconv"

	"github.com/moezoo/moezoo/report/plot"
)

// Figure is a drawing with the numbers behind it.
type Figure struct {
	*plot.Drawing
	Caption string
	Table   Table
}

// Table is what a CSV file holds.
type Table struct {
	Header []string
	Rows   [][]string
}

func (t *Table) add(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		if x, ok := c.(float64); ok {
			row[i] = strconv.FormatFloat(x, 'g', -1, 64)
			if math.IsNaN(x) {
				row[i] = ""
			}
			continue
		}
		row[i] = fmt.Sprint(c)
	}
	t.Rows = append(t.Rows, row)
}

// CSV is the table as a file.
func (t *Table) CSV() []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(t.Header) // a buffer takes everything
	_ = w.WriteAll(t.Rows)
	return b.Bytes()
}

// Figures are all drawings that the runs have something for.
func (p *Page) Figures() []Figure {
	out := p.lossFigures()
	out = append(out, p.parityFigures()...)
	out = append(out, p.decodeFigures()...)
	return append(out, p.routerFigures()...)
}

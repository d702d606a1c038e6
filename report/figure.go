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

// add appends a row of what is drawn; exactly appends one with every digit.
func (t *Table) add(cells ...any)     { t.append(cells, figureDigits) }
func (t *Table) exactly(cells ...any) { t.append(cells, -1) }

func (t *Table) append(cells []any, n int) {
	row := make([]string, len(cells))
	for i, c := range cells {
		if x, ok := c.(float64); ok {
			row[i] = digits(x, n)
			continue
		}
		row[i] = fmt.Sprint(c)
	}
	t.Rows = append(t.Rows, row)
}

// figureDigits is how many digits the numbers behind drawings have: more than can be seen.
const figureDigits = 7

// digits is a number with at most n significant digits, whole numbers with all of theirs;
// nothing for NaN, and every digit when n is negative.
func digits(x float64, n int) string {
	switch {
	case math.IsNaN(x):
		return ""
	case x == math.Trunc(x) && math.Abs(x) < 1e15:
		return strconv.FormatFloat(x, 'f', -1, 64)
	case n > 0:
		x, _ = strconv.ParseFloat(strconv.FormatFloat(x, 'g', n, 64), 64)
	}
	if math.Abs(x) >= 1e-4 && math.Abs(x) < 1e15 {
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}

// CSV is the table as a file. Rows that end early are filled up.
func (t *Table) CSV() []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(t.Header) // a buffer takes everything
	for _, row := range t.Rows {
		full := make([]string, max(len(t.Header), len(row)))
		copy(full, row)
		_ = w.Write(full)
	}
	w.Flush()
	return b.Bytes()
}

// Figures are all drawings that the runs have something for.
func (p *Page) Figures() []Figure {
	out := p.differenceFigures()
	out = append(out, p.rateFigures()...)
	out = append(out, p.lossFigures()...)
	out = append(out, p.parityFigures()...)
	out = append(out, p.decodeFigures()...)
	return append(out, p.routerFigures()...)
}

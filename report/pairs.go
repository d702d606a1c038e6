package report

import (
	"fmt"
	"math"

	"github.com/moezoo/moezoo/report/plot"
)

// parity compares two groups, once; nil when they cannot be compared.
func (p *Page) parity(a, b *Group) *Pair {
	key := [2]*Group{a, b}
	found, ok := p.pairs[key]
	if !ok {
		if pair, ok := parity(a, b); ok {
			found = &pair
		}
		if p.pairs == nil {
			p.pairs = map[[2]*Group]*Pair{}
		}
		p.pairs[key] = found
	}
	return found
}

// Pairs compare every two models: the one of lower final loss with the other.
func (p *Page) Pairs() []Pair {
	out := []Pair{}
	for i, a := range p.Groups {
		for _, b := range p.Groups[i+1:] {
			x, y := a, b
			if la, lb := a.finalLoss(), b.finalLoss(); lb < la || math.IsNaN(la) {
				x, y = b, a
			}
			if pair := p.parity(x, y); pair != nil {
				out = append(out, *pair)
			}
		}
	}
	return out
}

// finalLoss is the mean of the last held-out losses, NaN without any.
func (g *Group) finalLoss() float64 {
	var ends []float64
	for _, r := range g.comparable() {
		if len(r.Held.Loss) > 0 {
			ends = append(ends, last(r.Held.Loss))
		}
	}
	if len(ends) == 0 {
		return math.NaN()
	}
	mean, _ := meanAndDeviation(ends)
	return mean
}

// Words says the ratio with its interval.
func (p *Pair) Words() string {
	if p.Ratio == nil {
		return "never reached"
	}
	return factor(*p.Ratio) + " " + p.Interval()
}

// Interval is the confidence interval in words.
func (p *Pair) Interval() string {
	if p.Low == nil && p.High == nil {
		return "(undecided)"
	}
	low, high := "never", "unknown"
	if p.Low != nil {
		low = factor(*p.Low)
	}
	if p.High != nil {
		high = factor(*p.High)
	}
	return "[" + low + ", " + high + "]"
}

func factor(x float64) string {
	if x >= 10 {
		return fmt.Sprintf("%.0f×", x)
	}
	return fmt.Sprintf("%.2f×", x)
}

// mostIntervals is up to how many pairs are drawn one by one; more are a matrix.
const mostIntervals = 21

// parityFigures draw the ratios of all pairs.
func (p *Page) parityFigures() []Figure {
	pairs := p.Pairs()
	if len(pairs) == 0 {
		return nil
	}
	table := Table{Header: []string{"model", "other", "steps ratio", "low", "high", "operations ratio", "loss", "step", "other's last step", "seeds"}}
	for _, x := range pairs {
		table.add(x.Model, x.Other, orNaN(x.Ratio), orNaN(x.Low), orNaN(x.High), orNaN(x.FLOPs), x.Loss, x.Step, x.OtherStep, x.Seeds)
	}
	caption := "How many times fewer optimiser steps the first model needs to reach the held-out loss at which the second ends, with a 95 % confidence interval: "
	if pairs[0].Seeds > 1 {
		caption += fmt.Sprintf("Student's, over %d seeds that share the data's order.", pairs[0].Seeds)
	} else {
		caption += "of a single seed, so it covers the noise between evaluations only; seeds differ by more."
	}
	if len(pairs) <= mostIntervals {
		caption += " A hollow dot is undecided: the interval holds 1."
	}
	f := Figure{Caption: caption, Table: table}
	if len(pairs) > mostIntervals {
		f.Caption += " A cell is empty where the column’s model ends lower, and a dash where its loss is never reached."
		f.Drawing = p.parityMatrix(pairs).Draw()
	} else {
		f.Drawing = intervals(pairs).Draw()
	}
	return []Figure{f}
}

func intervals(pairs []Pair) plot.Intervals {
	chart := plot.Intervals{ID: "parity", Title: "Steps to parity", Label: "times fewer steps", Ratios: true}
	for i := range pairs {
		x := &pairs[i]
		row := plot.Interval{Name: x.Model + " → " + x.Other, Value: math.NaN(), Low: math.Inf(-1), High: math.Inf(1), Note: "never reached"}
		if x.Ratio != nil {
			row.Value, row.Note = *x.Ratio, x.Words()
		}
		if x.Low != nil {
			row.Low = *x.Low
		}
		if x.High != nil {
			row.High = *x.High
		}
		chart.Rows = append(chart.Rows, row)
	}
	return chart
}

func (p *Page) parityMatrix(pairs []Pair) plot.Matrix {
	m := plot.Matrix{ID: "parity", Title: "Steps to parity", Label: "row: how many times fewer steps to where the column ends"}
	at := map[string]int{}
	for i, g := range p.Groups {
		at[g.Name] = i
		m.Names = append(m.Names, g.Name)
		m.Cells = append(m.Cells, make([]plot.Cell, len(p.Groups)))
	}
	for i := range pairs {
		x := &pairs[i]
		c := plot.Cell{Text: "–", Title: x.Model + " → " + x.Other + ": " + x.Words()}
		if x.Ratio != nil {
			c.Text = fmt.Sprintf("%.2g", *x.Ratio)
			c.Shade = math.Min(math.Max(math.Log2(*x.Ratio)/2, 0), 1)
		}
		m.Cells[at[x.Model]][at[x.Other]] = c
	}
	return m
}

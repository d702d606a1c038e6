package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/moezoo/moezoo/report/plot"
)

// heatColumns is how many stretches of training a heatmap of one seed has; beside others it has
// fewer. curvePoints is how many a curve has.
const (
	heatColumns = 48
	curvePoints = 40
)

// mostSeedsShown is of how many seeds the load of experts is drawn; the numbers are of all.
const mostSeedsShown = 6

// routerFigures draw, for every model with a mixture and all its seeds, the load of each expert
// over time, the routers' entropy, and the share of dropped tokens.
func (p *Page) routerFigures() []Figure {
	var out []Figure
	names := slugs(p.Groups)
	for i, g := range p.Groups {
		if f, ok := loadFigure("load-"+names[i], g); ok {
			out = append(out, f)
		}
	}
	over := fmt.Sprintf("in means over %d stretches of the run and over the layers; the line is the mean over seeds, the band their range.", curvePoints)
	entropy := plot.Lines{ID: "entropy", Title: "Router entropy", Y: plot.Axis{Label: "of the largest possible", Low: 0, High: 1.02}}
	if f, ok := p.routerFigure(entropy, func(x *Router) []float64 { return scaled(x.Entropy, 1/math.Log(float64(max(x.experts(), 2)))) }); ok {
		f.Caption = "Entropy of the routers' probabilities over the logarithm of the number of experts: 1 is undecided, 0 certain, " + over
		out = append(out, f)
	}
	busiest := plot.Lines{ID: "busiest", Title: "Busiest expert", Y: plot.Axis{Label: "times an even share", Low: 1}}
	if f, ok := p.routerFigure(busiest, (*Router).busiest); ok {
		f.Caption = "Rows of each batch’s busiest expert over those of an even share, " + over
		out = append(out, f)
	}
	dropped := plot.Lines{ID: "dropped", Title: "Dropped tokens", Y: plot.Axis{Label: "share of assignments"}}
	if f, ok := p.routerFigure(dropped, func(x *Router) []float64 { return x.Dropped }); ok {
		f.Caption = "Assignments over the experts' capacity while training, " + over + " Evaluation drops none."
		out = append(out, f)
	}
	return out
}

// routerFigure draws a value of the routers, one line for each model that has it.
func (p *Page) routerFigure(chart plot.Lines, of func(*Router) []float64) (Figure, bool) {
	chart.X.Label = "optimiser steps"
	table := Table{Header: []string{"model", "seed", "layer", "step", chart.ID}}
	for _, g := range p.Groups {
		for _, r := range g.Runs {
			for i := range r.Routers {
				x := &r.Routers[i]
				c := x.curve(of)
				for k := range c.Step {
					table.add(g.Name, r.seed(), x.Name, c.Step[k], c.Loss[k])
				}
			}
		}
		l, _ := g.line(func(_ *Group, c *Curve) []float64 { return c.Step }, func(r *Run) Curve { return r.meanOf(of) })
		if len(l.X) == 0 {
			continue
		}
		if len(g.Runs) == 1 {
			l.Low, l.High = nil, nil
		}
		chart.Series = append(chart.Series, l)
	}
	if len(chart.Series) == 0 {
		return Figure{}, false
	}
	if chart.Y.High == 0 { // as high as there is something
		for _, l := range chart.Series {
			for _, v := range slices.Concat(l.Y, l.High) {
				if 1.05*v > chart.Y.High { // not for NaN
					chart.Y.High = 1.05 * v
				}
			}
		}
	}
	return Figure{Drawing: chart.Draw(), Table: table}, true
}

// curve is a value of a router in means over stretches of the run; nothing when it has none.
func (x *Router) curve(of func(*Router) []float64) Curve {
	var c Curve
	values := of(x)
	if len(values) != len(x.Step) {
		return c
	}
	for _, s := range stretches(len(values), curvePoints) {
		mean, _ := meanAndDeviation(values[s[0]:s[1]])
		c.Step, c.Loss = append(c.Step, x.Step[s[1]-1]), append(c.Loss, mean)
	}
	return c
}

// meanOf is a value of the routers, averaged over the layers that have it.
func (r *Run) meanOf(of func(*Router) []float64) Curve {
	var sum Curve
	layers := 0.0
	for i := range r.Routers {
		c := r.Routers[i].curve(of)
		if len(c.Step) == 0 {
			continue
		}
		layers++
		for k := range c.Step {
			if k == len(sum.Step) {
				sum.Step, sum.Loss = append(sum.Step, c.Step[k]), append(sum.Loss, 0)
			}
			sum.Loss[k] += c.Loss[k]
		}
	}
	sum.Loss = scaled(sum.Loss, 1/math.Max(layers, 1))
	return sum
}

func (x *Router) experts() int {
	if len(x.Load) == 0 {
		return 0
	}
	return len(x.Load[0])
}

// busiest is, for every step, the load of the busiest expert in multiples of an even share.
func (x *Router) busiest() []float64 {
	if x.experts() < 2 {
		return nil
	}
	out := make([]float64, len(x.Load))
	for i, load := range x.Load {
		total, most := 0.0, 0.0
		for _, v := range load {
			total, most = total+v, math.Max(most, v)
		}
		out[i] = most * float64(len(load)) / total // NaN when nothing was computed
	}
	return out
}

// loadFigure draws how the load is shared: a panel for each seed.
func loadFigure(id string, g *Group) (Figure, bool) {
	h := plot.Heat{ID: id, Title: "Expert load: " + g.Name, Label: "optimiser steps", Legend: "times an even share"}
	table := Table{Header: []string{"seed", "layer", "step"}}
	columns := heatColumns
	if len(g.Runs) > 1 {
		columns /= 2
	}
	for _, r := range g.Runs {
		panel := r.loads(columns, &table)
		if len(panel.Blocks) > 0 && len(h.Panels) < mostSeedsShown {
			h.Panels = append(h.Panels, panel)
		}
	}
	if len(h.Panels) == 0 {
		return Figure{}, false
	}
	caption := fmt.Sprintf("Computed rows of each expert over those of an even share, in means over %d stretches of the run. Layer by layer; a row is an expert", columns)
	if len(g.Runs) > 1 {
		caption += ", a panel a seed"
	}
	if len(g.Runs) > mostSeedsShown {
		caption += fmt.Sprintf(" (the first %d of %d)", mostSeedsShown, len(g.Runs))
	}
	return Figure{Drawing: h.Draw(), Caption: caption + ". Without colour is an even load.", Table: table}, true
}

// loads are the panel of a run, and its rows of the table: a column for each expert.
func (r *Run) loads(columns int, table *Table) plot.Panel {
	p := plot.Panel{Name: fmt.Sprintf("seed %d", r.seed())}
	for i := range r.Routers {
		x := &r.Routers[i]
		if x.experts() < 2 || len(x.Step) == 0 {
			continue
		}
		for e := len(table.Header) - 3; e < x.experts(); e++ {
			table.Header = append(table.Header, fmt.Sprintf("expert %d", e))
		}
		b := plot.Block{Name: strings.TrimPrefix(x.Name, "layers."), Cells: make([][]float64, x.experts())}
		p.X = nil
		for _, s := range stretches(len(x.Step), columns) {
			p.X = append(p.X, x.Step[s[1]-1])
			row := []any{r.seed(), x.Name, x.Step[s[1]-1]}
			for e, v := range x.share(s[0], s[1]) {
				b.Cells[e] = append(b.Cells[e], v)
				row = append(row, math.Round(1e3*v)/1e3)
			}
			table.add(row...)
		}
		p.Blocks = append(p.Blocks, b)
	}
	return p
}

// share is the load of each expert over some steps, in multiples of an even share.
func (x *Router) share(from, to int) []float64 {
	sums := make([]float64, x.experts())
	total := 0.0
	for _, load := range x.Load[from:to] {
		for e := range min(len(load), len(sums)) {
			sums[e] += load[e]
			total += load[e]
		}
	}
	for e := range sums {
		sums[e] *= float64(len(sums)) / total
	}
	return sums
}

// stretches cuts n steps into at most so many equal parts.
func stretches(n, most int) [][2]int {
	k := min(n, most)
	out := make([][2]int, k)
	for i := range out {
		out[i] = [2]int{n * i / k, n * (i + 1) / k}
	}
	return out
}

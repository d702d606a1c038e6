package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/moezoo/moezoo/report/plot"
)

// heatColumns is how many stretches of training a heatmap has.
const heatColumns = 48

// routerFigures draw, for the first seed of every model with a mixture, the load of each expert
// over time, the routers' entropy, and the share of dropped tokens.
func (p *Page) routerFigures() []Figure {
	var out []Figure
	var entropy, dropped []plot.Line
	entropies, drops := Table{Header: []string{"model", "layer", "step", "entropy"}}, Table{Header: []string{"model", "layer", "step", "dropped"}}
	for i, g := range p.Groups {
		r := g.Runs[0]
		if f, ok := loadFigure(fmt.Sprintf("load-%d", i+1), g, r); ok {
			out = append(out, f)
		}
		if l, ok := r.meanOf(g, func(x *Router) []float64 { return scaled(x.Entropy, 1/math.Log(float64(max(x.experts(), 2)))) }, &entropies); ok {
			entropy = append(entropy, l)
		}
		if l, ok := r.meanOf(g, func(x *Router) []float64 { return x.Dropped }, &drops); ok {
			dropped = append(dropped, l)
		}
	}
	if len(entropy) > 0 {
		out = append(out, Figure{
			Drawing: plot.Lines{ID: "entropy", Title: "Router entropy", X: plot.Axis{Label: "optimiser steps"}, Y: plot.Axis{Label: "of the largest possible", Low: 0, High: 1.02}, Series: entropy}.Draw(),
			Caption: "Entropy of the routers' probabilities, mean over layers, first seed: 1 is undecided, 0 certain.", Table: entropies,
		})
	}
	if len(dropped) > 0 {
		out = append(out, Figure{
			Drawing: plot.Lines{ID: "dropped", Title: "Dropped tokens", X: plot.Axis{Label: "optimiser steps"}, Y: plot.Axis{Label: "share of assignments"}, Series: dropped}.Draw(),
			Caption: "Assignments over the experts' capacity while training, mean over layers, first seed. Evaluation drops none.", Table: drops,
		})
	}
	return out
}

func (x *Router) experts() int {
	if len(x.Load) == 0 {
		return 0
	}
	return len(x.Load[0])
}

// loadFigure draws how the load is shared: 1 is an expert's even share.
func loadFigure(id string, g *Group, r *Run) (Figure, bool) {
	h := plot.Heat{ID: id, Title: "Expert load: " + g.Name, Label: "optimiser steps", Full: 3, Legend: "times an even share, or more"}
	table := Table{Header: []string{"layer", "step", "expert", "load"}}
	for i := range r.Routers {
		x := &r.Routers[i]
		if x.experts() < 2 || len(x.Step) == 0 {
			continue
		}
		b := plot.Block{Name: strings.TrimPrefix(x.Name, "layers."), Cells: make([][]float64, x.experts())}
		h.X = nil
		for _, s := range stretches(len(x.Step), heatColumns) {
			h.X = append(h.X, x.Step[s[1]-1])
			for e, v := range x.share(s[0], s[1]) {
				b.Cells[e] = append(b.Cells[e], v)
				table.add(x.Name, x.Step[s[1]-1], e, v)
			}
		}
		h.Blocks = append(h.Blocks, b)
	}
	if len(h.Blocks) == 0 {
		return Figure{}, false
	}
	return Figure{Drawing: h.Draw(), Caption: fmt.Sprintf("Layer by layer; a row is an expert, seed %d. An even colour means an even load.", r.seed()), Table: table}, true
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

// meanOf is a value of the routers, averaged over layers and over stretches of the run.
func (r *Run) meanOf(g *Group, of func(*Router) []float64, table *Table) (plot.Line, bool) {
	l := plot.Line{Name: g.Name, Colour: g.Colour}
	layers := 0.0
	for i := range r.Routers {
		x := &r.Routers[i]
		values := of(x)
		if len(values) == 0 || len(values) != len(x.Step) {
			continue
		}
		layers++
		for k, s := range stretches(len(values), 100) {
			mean, _ := meanAndDeviation(values[s[0]:s[1]])
			table.add(g.Name, x.Name, x.Step[s[1]-1], mean)
			if k == len(l.X) {
				l.X, l.Y = append(l.X, x.Step[s[1]-1]), append(l.Y, 0)
			}
			l.Y[k] += mean
		}
	}
	l.Y = slices.Clone(scaled(l.Y, 1/math.Max(layers, 1)))
	return l, layers > 0
}

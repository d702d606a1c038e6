package report

import (
	"math"
	"slices"
	"strings"

	"github.com/moezoo/moezoo/report/plot"
)

// axes that losses are drawn over.
var axes = []struct {
	id, title, label string
	of               func(g *Group, c *Curve) []float64
	caption          string
}{
	{"steps", "steps", "optimiser steps", func(_ *Group, c *Curve) []float64 { return c.Step }, ""},
	{"tokens", "tokens", "training tokens", func(_ *Group, c *Curve) []float64 { return c.Tokens }, ""},
	{
		"flops", "operations", "floating-point operations of training", func(g *Group, c *Curve) []float64 { return scaled(c.Tokens, g.tokenCost()) },
		"Operations are counted in the graph of the model, three times those of a forward pass.",
	},
	{
		"seconds", "time", "seconds of training", func(_ *Group, c *Curve) []float64 { return c.Seconds },
		"Time spent in training steps, without evaluating and saving: the machine’s as much as the model’s.",
	},
}

func scaled(x []float64, by float64) []float64 {
	out := make([]float64, len(x))
	for i := range x {
		out[i] = x[i] * by
	}
	return out
}

// lossFigures draw held-out losses over four axes, and training losses over steps.
func (p *Page) lossFigures() []Figure {
	var out []Figure
	for _, a := range axes {
		chart := plot.Lines{ID: "loss-" + a.id, Title: "Held-out loss over " + a.title, X: plot.Axis{Label: a.label}, Y: plot.Axis{Label: "nats per token"}}
		f, ok := p.lossFigure(chart, a.id, a.of, func(r *Run) Curve { return r.Held })
		if !ok {
			continue
		}
		f.Caption = words("Held-out loss at every evaluation, which drops no token.", p.bandWords(), a.caption)
		if a.id == "seconds" {
			f.Caption = words(f.Caption, p.clock().words(), p.Note)
		}
		out = append(out, f)
	}
	chart := plot.Lines{ID: "train-loss", Title: "Training loss", X: plot.Axis{Label: axes[0].label}, Y: plot.Axis{Label: "nats per token"}}
	if f, ok := p.lossFigure(chart, axes[0].id, axes[0].of, func(r *Run) Curve { return r.Train.binned(100) }); ok {
		f.Caption = words("Cross-entropy of the training batches, without auxiliary losses, in means over stretches of a hundredth of the run.", p.bandWords())
		out = append(out, f)
	}
	return out
}

// bandWords say what lines and bands of losses are.
func (p *Page) bandWords() string {
	said := "The axis begins after the fall of the first tenth."
	for _, g := range p.Groups {
		if len(g.Runs) > 1 {
			return "Mean over seeds; the band is their range. " + said
		}
	}
	return said
}

// words are sentences as one text.
func words(sentences ...string) string {
	return strings.Join(slices.DeleteFunc(sentences, func(s string) bool { return s == "" }), " ")
}

// lossFigure draws one line for each group; false when there is nothing to draw.
func (p *Page) lossFigure(chart plot.Lines, axis string, xs func(*Group, *Curve) []float64, of func(*Run) Curve) (Figure, bool) {
	table := Table{Header: []string{"model", axis, "mean", "low", "high", "seeds"}}
	for _, g := range p.Groups {
		l, seeds := g.line(xs, of)
		if len(l.X) < 2 || l.X[len(l.X)-1] <= 0 {
			continue
		}
		for i := range l.X {
			table.add(g.Name, l.X[i], l.Y[i], l.Low[i], l.High[i], seeds[i])
		}
		if len(g.Runs) == 1 {
			l.Low, l.High = nil, nil
		}
		chart.Series = append(chart.Series, l)
	}
	if len(chart.Series) == 0 {
		return Figure{}, false
	}
	chart.Y.Low, chart.Y.High = lossRange(chart.Series)
	return Figure{Drawing: chart.Draw(), Table: table}, true
}

// line is the mean of the curves of a group's comparable runs, as far as all of them have come,
// with the range between them.
func (g *Group) line(xs func(*Group, *Curve) []float64, of func(*Run) Curve) (plot.Line, []int) {
	l := plot.Line{Name: g.Name, Number: g.Number, Colour: g.Colour}
	var curves []Curve
	end := math.Inf(1)
	for _, r := range g.comparable() {
		if c := of(r); len(c.Step) > 0 {
			curves = append(curves, c)
			end = math.Min(end, last(c.Step))
		}
	}
	var seeds []int
	for i := 0; len(curves) > 0 && i < len(curves[0].Step) && curves[0].Step[i] <= end; i++ {
		s := curves[0].Step[i]
		x, sum, low, high, n := 0.0, 0.0, math.Inf(1), math.Inf(-1), 0
		for k := range curves {
			c := &curves[k]
			if c.Step[0] > s {
				continue
			}
			v := interpolate(c.Step, c.Loss, s)
			x += interpolate(c.Step, xs(g, c), s)
			sum, low, high, n = sum+v, math.Min(low, v), math.Max(high, v), n+1
		}
		l.X = append(l.X, x/float64(n))
		l.Y, l.Low, l.High, seeds = append(l.Y, sum/float64(n)), append(l.Low, low), append(l.High, high), append(seeds, n)
	}
	return l, seeds
}

// lossRange leaves out the fall of the first tenth, beside which everything later would look
// alike.
func lossRange(series []plot.Line) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, s := range series {
		for _, v := range append(s.Low, s.Y...) {
			if !math.IsNaN(v) {
				low = math.Min(low, v)
			}
		}
		high = math.Max(high, interpolate(s.X, s.Y, s.X[len(s.X)-1]/10))
	}
	if !(high > low) {
		high = low + 0.1
	}
	margin := (high - low) / 20
	return low - margin, high + margin
}

// binned is the curve in means over n stretches of equal length.
func (c *Curve) binned(n int) Curve {
	size := (len(c.Step) + n - 1) / n
	if size <= 1 {
		return *c
	}
	var out Curve
	for from := 0; from+size <= len(c.Step); from += size {
		to, sum := from+size, 0.0
		for _, v := range c.Loss[from:to] {
			sum += v
		}
		out.Step, out.Tokens = append(out.Step, c.Step[to-1]), append(out.Tokens, c.Tokens[to-1])
		out.Seconds, out.Loss = append(out.Seconds, c.Seconds[to-1]), append(out.Loss, sum/float64(size))
	}
	return out
}

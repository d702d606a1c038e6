package report

import (
	"fmt"
	"math"
	"slices"

	"github.com/moezoo/moezoo/report/plot"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// Difference is how far from the reference a model ends, over the seeds that both have. The
// documentation of this package says how it is found.
type Difference struct {
	Model     string    `json:"model"`
	Reference string    `json:"reference"`
	Seeds     []uint64  `json:"seeds"`
	Each      []float64 `json:"each"` // by seed: final held-out loss minus the reference's, nats per token
	Mean      float64   `json:"mean"`
	Deviation float64   `json:"deviation"` // sample standard deviation over seeds, 0 for one
	// Low and High are a 95 % confidence interval of the mean; nil for one seed.
	Low         *float64 `json:"low"`
	High        *float64 `json:"high"`
	BitsPerByte float64  `json:"bits_per_byte"` // the mean, in bits per byte
}

// Differences compare every model with the reference, in the page's order.
func (p *Page) Differences() []Difference {
	var out []Difference
	for _, g := range p.Groups {
		reference := p.referenceOf(g)
		if reference == nil || reference == g {
			continue
		}
		if d, ok := difference(g, reference); ok {
			out = append(out, d)
		}
	}
	return out
}

// Against makes a model, by its label, the one that the others are compared with; an empty label
// leaves it as it is.
func (p *Page) Against(label string) error {
	if label == "" {
		return nil
	}
	var labels []string
	for _, g := range p.Groups {
		l := g.Runs[0].Label()
		if l == label {
			p.Reference = label
			return nil
		}
		labels = append(labels, l)
	}
	hint := ""
	if near := recipe.Nearest(label, labels); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return fmt.Errorf("no run is of a model %q, which the others were to be compared with%s", label, hint)
}

// referenceOf is the group that another is compared with: of the model that the study names, or
// else the first, with as many steps, or where there is none with about as many operations; nil
// for what is a reference itself.
func (p *Page) referenceOf(g *Group) *Group {
	label := p.Reference
	if label == "" {
		label = p.Groups[0].Runs[0].Label()
	}
	var best *Group
	for _, r := range p.Groups {
		if r.Runs[0].Label() != label {
			continue
		}
		if r == g {
			return nil
		}
		if best == nil || g.apartFrom(r) < g.apartFrom(best) {
			best = r
		}
	}
	return best
}

// apartFrom is how unlike two budgets are: 0 when the steps are the same.
func (g *Group) apartFrom(other *Group) float64 {
	a, b := g.Runs[0].Record, other.Runs[0].Record
	if a == nil || b == nil || a.Steps == b.Steps {
		return 0
	}
	operations := func(g *Group) float64 {
		return math.Max(g.tokenCost(), 1) * float64(g.Runs[0].Record.StepTokens*g.Runs[0].Record.Steps)
	}
	return math.Abs(math.Log(operations(g) / operations(other)))
}

// difference pairs the finished runs of two groups by their seeds; false when there is no pair
// that saw the same data in the same order.
func difference(g, reference *Group) (Difference, bool) {
	d := Difference{Model: g.Name, Reference: reference.Name}
	var bits []float64
	for _, a := range g.Runs {
		for _, b := range reference.Runs {
			if a.seed() != b.seed() || !a.pairsWith(b) {
				continue
			}
			d.Seeds = append(d.Seeds, a.seed())
			d.Each = append(d.Each, last(a.Held.Loss)-last(b.Held.Loss))
			bits = append(bits, last(a.Bits)-last(b.Bits))
		}
	}
	if len(d.Seeds) == 0 {
		return d, false
	}
	d.Mean, d.Deviation = meanAndDeviation(d.Each)
	d.BitsPerByte, _ = meanAndDeviation(bits)
	if n := len(d.Each); n > 1 {
		half := studentT(n-1) * d.Deviation / math.Sqrt(float64(n))
		low, high := d.Mean-half, d.Mean+half
		d.Low, d.High = &low, &high
	}
	return d, true
}

// pairsWith tells whether two runs are finished and saw the same batches.
func (r *Run) pairsWith(other *Run) bool {
	return r.Finished() && other.Finished() && r.Record.DataHash == other.Record.DataHash &&
		r.Record.StepTokens == other.Record.StepTokens && r.Record.Context == other.Record.Context
}

func last(x []float64) float64 { return x[len(x)-1] }

// Verdict says what the interval allows to say.
func (d *Difference) Verdict() string {
	switch {
	case d.Low == nil:
		return "unknown"
	case *d.High < 0:
		return "lower"
	case *d.Low > 0:
		return "higher"
	}
	return "undecided"
}

// Interval is the confidence interval in words.
func (d *Difference) Interval() string {
	if d.Low == nil {
		return "–"
	}
	return fmt.Sprintf("[%s, %s]", signed(*d.Low), signed(*d.High))
}

// signed is a difference of losses with its sign.
func signed(x float64) string {
	s := fmt.Sprintf("%.4f", math.Abs(x))
	switch {
	case s == "0.0000":
		return s
	case x < 0:
		return "−" + s
	}
	return "+" + s
}

// differenceFigures draw the differences.
func (p *Page) differenceFigures() []Figure {
	all := p.Differences()
	if len(all) == 0 {
		return nil
	}
	chart := plot.Intervals{ID: "differences", Title: "Final held-out loss minus that of " + all[0].Reference, Label: "nats per token; to the left is better"}
	one := sameReference(all)
	if !one {
		chart.Title = "Final held-out loss minus the reference’s"
	}
	fewest, most := len(all[0].Seeds), 0
	for _, d := range all {
		row := plot.Interval{Name: d.Model, Value: d.Mean, Low: orNaN(d.Low), High: orNaN(d.High), Note: signed(d.Mean)}
		if !one {
			row.Name += " − " + d.Reference
		}
		if d.Low != nil {
			row.Note += " " + d.Interval()
		}
		chart.Rows = append(chart.Rows, row)
		fewest, most = min(fewest, len(d.Seeds)), max(most, len(d.Seeds))
	}
	return []Figure{{
		Drawing: chart.Draw(), Table: p.differenceTable(all),
		Caption: "Last evaluation of the model minus that of the reference, runs paired by seed: both see the same batches in the same order. " + pairedWords(fewest, most),
	}}
}

// differenceTable has a column for each seed.
func (p *Page) differenceTable(all []Difference) Table {
	t := Table{Header: []string{"model", "reference", "mean", "deviation", "low", "high", "bits per byte", "seeds"}}
	seeds := p.seeds()
	for _, s := range seeds {
		t.Header = append(t.Header, fmt.Sprintf("seed %d", s))
	}
	for _, d := range all {
		row := []any{d.Model, d.Reference, d.Mean, d.Deviation, orNaN(d.Low), orNaN(d.High), d.BitsPerByte, len(d.Seeds)}
		for _, s := range seeds {
			v := math.NaN()
			if k := slices.Index(d.Seeds, s); k >= 0 {
				v = d.Each[k]
			}
			row = append(row, v)
		}
		t.add(row...)
	}
	return t
}

// pairedWords says what the intervals are, for as many seeds.
func pairedWords(fewest, most int) string {
	if most == 1 {
		return "There is one seed, so no interval: nobody knows how much another one would change."
	}
	n := fmt.Sprint(most)
	if fewest != most {
		n = fmt.Sprintf("%d to %d", fewest, most)
	}
	return fmt.Sprintf("Mean over seeds (n = %s) with a 95 %% confidence interval (Student's t, n − 1 degrees of freedom); a hollow dot is undecided. Each interval is for itself: of twenty comparisons of equals, one is expected to look decided.", n)
}

// seeds are those of all runs, in order.
func (p *Page) seeds() []uint64 {
	var out []uint64
	for _, r := range p.Runs {
		if r.Record != nil && !slices.Contains(out, r.Record.Seed) {
			out = append(out, r.Record.Seed)
		}
	}
	slices.Sort(out)
	return out
}

func orNaN(x *float64) float64 {
	if x == nil {
		return math.NaN()
	}
	return *x
}

// differences are the table of them; the reference is named once when all have the same.
func (p *Page) differences() grid {
	all := p.Differences()
	g := grid{Header: []string{"model − reference", "nats/token", "95 % interval", "bits/byte", "seeds", "loss is"}}
	one := sameReference(all)
	if one {
		g.Header[0] = "model − " + all[0].Reference
	}
	for _, d := range all {
		name := d.Model
		if !one {
			name += " − " + d.Reference
		}
		g.Rows = append(g.Rows, []string{name, signed(d.Mean), d.Interval(), signed(d.BitsPerByte), fmt.Sprint(len(d.Seeds)), d.Verdict()})
	}
	return g
}

// sameReference tells whether there is one reference for all.
func sameReference(all []Difference) bool {
	return len(all) > 0 && !slices.ContainsFunc(all, func(d Difference) bool { return d.Reference != all[0].Reference })
}

package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/moezoo/moezoo/report/plot"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// Family is models whose recipes differ in nothing but the learning rate.
type Family struct {
	Name  string
	Rates []Rate // rising, at least two
}

// Rate is the final held-out losses at one learning rate, by seed.
type Rate struct {
	Rate          float64
	Losses        []float64
	Mean, Low, Up float64 // over seeds: mean and range
}

// member is a group of a family, with its rate.
type member struct {
	*Group
	rate float64
}

// kin are the groups of each family in the order of their rates, the families as they come. A
// group whose recipe is not known is its own.
func kin(groups []*Group) [][]member {
	var out [][]member
	at := map[string]int{}
	for _, g := range groups {
		key, rate, ok := g.family()
		if !ok {
			out = append(out, []member{{g, 0}})
			continue
		}
		if _, ok := at[key]; !ok {
			at[key], out = len(out), append(out, nil)
		}
		out[at[key]] = append(out[at[key]], member{g, rate})
	}
	for _, all := range out {
		slices.SortStableFunc(all, func(a, b member) int { return cmp.Compare(a.rate, b.rate) })
	}
	return out
}

// paint gives the models of a family one colour and kinds of dashes by their rates, when there
// are enough colours for all families.
func paint(groups []*Group) {
	families := kin(groups)
	if len(families) > plot.Colours {
		return
	}
	for i, all := range families {
		for k, m := range all {
			m.Colour = i + k*plot.Colours
		}
	}
}

// Families are the sweeps of learning rates among the runs. Runs that are not finished count
// for nothing.
func (p *Page) Families() []Family {
	var out []Family
	for _, all := range kin(p.Groups) {
		f := Family{Name: familyName(all[0].Runs[0].Label(), all[0].rate)}
		for _, m := range all {
			if familyName(m.Runs[0].Label(), m.rate) != f.Name {
				f.Name = m.Runs[0].Record.Recipe
			}
			f.add(m.rate, m.finals())
		}
		if len(f.Rates) > 1 {
			out = append(out, f)
		}
	}
	return out
}

// add takes the losses at a rate, which is the last or a larger one.
func (f *Family) add(rate float64, losses []float64) {
	if len(losses) == 0 {
		return
	}
	if n := len(f.Rates); n > 0 && f.Rates[n-1].Rate == rate {
		losses = append(slices.Clone(f.Rates[n-1].Losses), losses...)
		f.Rates = f.Rates[:n-1]
	}
	mean, _ := meanAndDeviation(losses)
	f.Rates = append(f.Rates, Rate{rate, losses, mean, slices.Min(losses), slices.Max(losses)})
}

// family is a hash of the group's recipe without its learning rate and seed and of its text, and
// the rate; false when the recipe is not known.
func (g *Group) family() (key string, rate float64, ok bool) {
	x := g.Runs[0].Record
	if x == nil || x.Resolved == "" {
		return "", 0, false
	}
	r, err := recipe.Parse(x.Recipe, []byte(x.Resolved), nil)
	if err != nil { // of another version of this program
		return "", 0, false
	}
	rate = r.Train.LR
	r.Train.LR, r.Train.Seed = 1, 0
	return r.Hash() + x.DataHash, rate, true
}

// familyName is a label without the learning rate that it ends in, such as mamba of mamba-1e-3.
func familyName(label string, rate float64) string {
	for i := range len(label) {
		if v, err := strconv.ParseFloat(label[i+1:], 64); label[i] == '-' && err == nil && v == rate {
			return label[:i]
		}
	}
	return label
}

// finals are the last held-out losses of the finished runs.
func (g *Group) finals() []float64 {
	var out []float64
	for _, r := range g.Runs {
		if r.Finished() {
			out = append(out, last(r.Held.Loss))
		}
	}
	return out
}

// best is the place of the lowest mean.
func (f *Family) best() int {
	best := 0
	for i, r := range f.Rates {
		if r.Mean < f.Rates[best].Mean {
			best = i
		}
	}
	return best
}

// rateFigures draw the final loss over the learning rate, a line for each family: as it is, and
// above the family's own best.
func (p *Page) rateFigures() []Figure {
	all := p.Families()
	if len(all) == 0 {
		return nil
	}
	loss := plot.Lines{ID: "rates", Title: "Final held-out loss over the learning rate", Y: plot.Axis{Label: "nats per token"}, FormatX: rateWords}
	above := plot.Lines{ID: "rates-above-best", Title: "Loss above the family’s best", Y: plot.Axis{Label: "nats per token above the best"}, FormatX: rateWords}
	loss.X = ratesAxis(all)
	above.X = loss.X
	table, differences := Table{Header: []string{"family", "learning rate", "mean", "low", "high", "seeds", "best"}}, Table{Header: []string{"family", "learning rate", "above best"}}
	var worse []float64
	for i, f := range all {
		l := plot.Line{Name: f.Name, Number: i + 1, Colour: i, Dots: true}
		own := l
		for k, r := range f.Rates {
			d := r.Mean - f.Rates[f.best()].Mean
			l.X, l.Y, l.Low, l.High = append(l.X, r.Rate), append(l.Y, r.Mean), append(l.Low, r.Low), append(l.High, r.Up)
			own.X, own.Y = append(own.X, r.Rate), append(own.Y, d)
			table.add(f.Name, rateWords(r.Rate), r.Mean, r.Low, r.Up, len(r.Losses), k == f.best())
			differences.add(f.Name, rateWords(r.Rate), d)
			if k != f.best() {
				worse = append(worse, d)
			}
		}
		loss.Series, above.Series = append(loss.Series, l), append(above.Series, own)
	}
	slices.Sort(worse)
	above.Y.High = math.Max(2*worse[len(worse)*3/4], 1e-6)
	above.Y.Low = -above.Y.High / 20
	caption := "Last evaluation of finished runs whose recipes differ in train.lr alone, mean over seeds"
	return []Figure{
		{Drawing: loss.Draw(), Table: table, Caption: caption + ", the band their range. Where the best lies at the edge of those tried, a better one may lie beyond."},
		{Drawing: above.Draw(), Table: differences, Caption: caption + ", minus the lowest of the family. The axis ends at twice the upper quartile; lines that leave it are worse."},
	}
}

// ratesAxis has a tick for each rate.
func ratesAxis(all []Family) plot.Axis {
	x := plot.Axis{Label: "learning rate, its peak", Log: true}
	for _, f := range all {
		for _, r := range f.Rates {
			x.Ticks = append(x.Ticks, r.Rate)
		}
	}
	slices.Sort(x.Ticks)
	x.Ticks = slices.Compact(x.Ticks)
	x.Low, x.High = x.Ticks[0]/1.1, last(x.Ticks)*1.1
	return x
}

// rateWords writes a learning rate as recipes do.
func rateWords(x float64) string {
	if x >= 0.1 {
		return strconv.FormatFloat(x, 'g', 4, 64)
	}
	exponent := math.Floor(math.Log10(x) + 1e-9)
	return fmt.Sprintf("%se%d", strconv.FormatFloat(x/math.Pow(10, exponent), 'g', 4, 64), int(exponent))
}

// rates are the table of the best.
func (p *Page) rates() grid {
	g := grid{Header: []string{"family", "best rate", "loss", "best lies", "next best", "its loss", "seeds", "tried"}}
	for _, f := range p.Families() {
		best, next := f.best(), -1
		tried := ""
		for i, r := range f.Rates {
			if i != best && (next < 0 || r.Mean < f.Rates[next].Mean) {
				next = i
			}
			if i > 0 {
				tried += ", "
			}
			tried += rateWords(r.Rate)
		}
		place := "inside"
		if best == 0 || best == len(f.Rates)-1 {
			place = "at the edge"
		}
		b, n := f.Rates[best], f.Rates[next]
		g.Rows = append(g.Rows, []string{f.Name, rateWords(b.Rate), fmt.Sprintf("%.4f", b.Mean), place, rateWords(n.Rate), fmt.Sprintf("%.4f", n.Mean), fmt.Sprint(len(b.Losses)), tried})
	}
	return g
}

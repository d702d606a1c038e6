package report

import (
	"fmt"
	"math"
	"strings"
)

// summary is a model in the table of all: what it is, where it ends, and how it compares with the
// reference.
type summary struct {
	Final
	*Group
	rate       string
	losses     []float64 // final, of finished runs
	bits       map[uint64]float64
	difference *Difference // nil for the reference, and where nothing can be paired
	ahead      *Pair       // this model to where the reference ends
	behind     *Pair       // the reference to where this model ends
}

func (p *Page) summaries() []summary {
	var out []summary
	finals := p.Finals()
	for i, g := range p.Groups {
		s := summary{Final: finals[i], Group: g, rate: g.Runs[0].rateWords(), losses: g.finals(), bits: map[uint64]float64{}}
		for _, r := range g.Runs {
			if r.Finished() {
				s.bits[r.seed()] = last(r.Bits)
			}
		}
		if reference := p.referenceOf(g); reference != nil {
			if d, ok := difference(g, reference); ok {
				s.difference = &d
			}
			s.ahead, s.behind = p.parity(g, reference), p.parity(reference, g)
		}
		out = append(out, s)
	}
	return out
}

// bitsBySeed are those of finished runs, in the order of seeds.
func (s *summary) bitsBySeed() []float64 {
	var out []float64
	for _, r := range s.Runs {
		if v, ok := s.bits[r.seed()]; ok {
			out = append(out, v)
		}
	}
	return out
}

// summaryTable has a row for each model, with every digit of what was measured, and nothing that
// a clock has a part in: equal runs give equal bytes.
func (p *Page) summaryTable() Table {
	t := Table{Header: []string{
		"model", "parameters total", "parameters active", "paper total", "paper active", "operations per token", "steps", "tokens", "learning rate",
		"runs", "finished", "loss mean", "loss deviation", "bits per byte mean", "bits per byte deviation",
		"reference", "difference mean", "difference low", "difference high", "difference seeds",
		"steps ratio", "steps ratio low", "steps ratio high", "reference steps ratio", "reference steps ratio low", "reference steps ratio high",
		"recipe sha256 without seed", "text sha256", "graph sha256",
	}}
	seeds := p.seeds()
	for _, s := range seeds {
		t.Header = append(t.Header, fmt.Sprintf("bits per byte seed %d", s))
	}
	for _, s := range p.summaries() {
		row := []any{s.Name}
		hashes := []any{"", "", ""}
		if x := s.Runs[0].Record; x != nil {
			row = append(row, x.Counts.Total, x.Counts.Active, x.Counts.PaperTotal, x.Counts.PaperActive, x.Counts.FLOPs)
			hashes = []any{x.Configured, x.DataHash, x.Counts.Hash}
		} else {
			row = append(row, "", "", "", "", "")
		}
		row = append(row, s.Steps, s.Tokens, s.rate, s.Seeds, s.Finished)
		row = append(row, meanCells(s.losses)...)
		row = append(row, meanCells(s.bitsBySeed())...)
		row = append(row, s.differenceCells()...)
		row = append(append(row, s.ahead.cells()...), s.behind.cells()...)
		row = append(row, hashes...)
		for _, seed := range seeds {
			v, ok := s.bits[seed]
			if !ok {
				v = math.NaN()
			}
			row = append(row, v)
		}
		t.exactly(row...)
	}
	return t
}

// meanCells are a mean and, of two or more, the sample standard deviation.
func meanCells(v []float64) []any {
	if len(v) == 0 {
		return []any{"", ""}
	}
	mean, deviation := meanAndDeviation(v)
	if len(v) == 1 {
		deviation = math.NaN()
	}
	return []any{mean, deviation}
}

func (s *summary) differenceCells() []any {
	d := s.difference
	if d == nil {
		return []any{"", "", "", "", ""}
	}
	return []any{d.Reference, d.Mean, orNaN(d.Low), orNaN(d.High), len(d.Seeds)}
}

// cells are the ratio of steps and its interval: empty for what is never reached, or not known.
func (p *Pair) cells() []any {
	if p == nil {
		return []any{"", "", ""}
	}
	return []any{orNaN(p.Ratio), orNaN(p.Low), orNaN(p.High)}
}

// Markdown is the summary as a short table that documents can hold.
func (p *Page) Markdown() string {
	all := p.summaries()
	reference := ""
	for _, s := range all {
		if s.difference != nil {
			reference = s.difference.Reference
		}
	}
	header := []string{"model", "active", "total", "operations/token", "learning rate", "bits/byte"}
	if reference != "" {
		header = append(header, "loss − "+reference+"’s, nats/token", "steps to "+reference+"’s loss")
	}
	header = append(header, "seeds")
	var b strings.Builder
	row := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	row(header)
	row(strings.Split("---"+strings.Repeat(" ---:", len(header)-1), " "))
	for _, s := range all {
		bits := s.bitsBySeed()
		cells := []string{cell(s.Name), thousands(s.PaperActive), thousands(s.PaperTotal), thousands(s.FLOPs), s.rate, spread(bits)}
		if reference != "" {
			cells = append(cells, s.differenceWords(), s.parityWords())
		}
		row(append(cells, fmt.Sprint(len(bits))))
	}
	fmt.Fprintf(&b, "\n%s\n", p.footnote(reference != ""))
	return b.String()
}

// cell is a text that stays within its cell.
func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "<", "&lt;").Replace(text)
}

// spread is a mean with its deviation, when there is one.
func spread(v []float64) string {
	if len(v) == 0 {
		return "not finished"
	}
	mean, deviation := meanAndDeviation(v)
	if len(v) == 1 {
		return fmt.Sprintf("%.4f", mean)
	}
	return fmt.Sprintf("%.4f ± %.4f", mean, deviation)
}

func (s *summary) differenceWords() string {
	if s.difference == nil {
		return "–"
	}
	if s.difference.Low == nil {
		return signed(s.difference.Mean)
	}
	return signed(s.difference.Mean) + " " + s.difference.Interval()
}

// parityWords say how many times fewer steps the model needs, or the reference where it is ahead.
func (s *summary) parityWords() string {
	switch {
	case s.ahead == nil:
		return "–"
	case s.ahead.Ratio != nil:
		return s.ahead.Words() + " fewer"
	case s.behind != nil && s.behind.Ratio != nil:
		return "never; " + cell(s.behind.Model) + " is ahead by " + s.behind.Words()
	}
	return "never"
}

// footnote says what the columns are.
func (p *Page) footnote(compared bool) string {
	said := "Active and total parameters as the MoE-Mamba paper counts them (without embedding, head, positions and final norm); bits/byte of held-out text after the last step, mean ± sample standard deviation over seeds."
	if compared {
		said += " Intervals are of 95 %: Student’s over pairs of the same seed where there are two seeds or more; with one seed a difference has none, and that of steps covers the noise between evaluations only."
	}
	if seeds := p.seeds(); len(seeds) > 0 {
		said += fmt.Sprintf(" Seeds: %s.", strings.Trim(fmt.Sprint(seeds), "[]"))
	}
	if p.Command != "" {
		said += " Command: `" + strings.ReplaceAll(p.Command, "`", "'") + "`."
	}
	return said
}

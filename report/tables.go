package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/moezoo/moezoo/report/plot"
)

// Extent says how many runs of how many models there are.
func (p *Page) Extent() string {
	return counted(len(p.Runs), "run") + " of " + counted(len(p.Groups), "model")
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// Final is what a model is and where it ends.
type Final struct {
	Model    string  `json:"model"`
	Seeds    int     `json:"seeds"`
	Finished int     `json:"finished"` // runs that made all their steps
	Steps    float64 `json:"steps"`    // that the furthest run has made
	Tokens   float64 `json:"tokens"`
	// Loss and BitsPerByte are means over the last evaluations of finished runs, or of all while
	// none is finished, nil without any; Deviation is the sample standard deviation of the loss
	// over seeds.
	Loss        *float64 `json:"loss"`
	Deviation   float64  `json:"deviation"`
	BitsPerByte *float64 `json:"bits_per_byte"`
	// BitsDeviation is that of the bits per byte.
	BitsDeviation float64 `json:"bits_per_byte_deviation"`
	PaperActive   int64   `json:"paper_active"`
	PaperTotal    int64   `json:"paper_total"`
	Total         int64   `json:"total"`
	FLOPs         int64   `json:"flops_per_token"`
	TokensPerS    float64 `json:"tokens_per_s"`
}

// Finals are the models in their order.
func (p *Page) Finals() []Final {
	var out []Final
	for _, g := range p.Groups {
		f := Final{Model: g.Name, Seeds: len(g.Runs)}
		var losses, bits []float64
		for _, r := range g.Runs {
			if r.Finished() {
				f.Finished++
			}
			if n := len(r.Train.Step); n > 0 {
				f.Steps, f.Tokens = math.Max(f.Steps, r.Train.Step[n-1]), math.Max(f.Tokens, r.Train.Tokens[n-1])
				if s := r.Train.Seconds[n-1]; s > 0 {
					f.TokensPerS += r.Train.Tokens[n-1] / s / float64(len(g.Runs))
				}
			}
		}
		for _, r := range g.comparable() {
			if len(r.Held.Loss) > 0 {
				losses, bits = append(losses, last(r.Held.Loss)), append(bits, last(r.Bits))
			}
		}
		if len(losses) > 0 {
			loss, deviation := meanAndDeviation(losses)
			b, bitsDeviation := meanAndDeviation(bits)
			f.Loss, f.Deviation, f.BitsPerByte, f.BitsDeviation = &loss, deviation, &b, bitsDeviation
		}
		if r := g.Runs[0].Record; r != nil {
			f.PaperActive, f.PaperTotal, f.Total, f.FLOPs = r.Counts.PaperActive, r.Counts.PaperTotal, r.Counts.Total, r.Counts.FLOPs
		}
		out = append(out, f)
	}
	return out
}

// grid is a table as the page shows it: the first column is words, the others numbers.
type grid struct {
	Header []string
	Rows   [][]string
}

// results are the final losses, best first, and then those of what is not finished.
func (p *Page) results() grid {
	g := grid{Header: []string{"model", "held-out loss", "±", "bits/byte", "±", "runs finished", "steps", "tokens", "tokens/s"}}
	finals := p.Finals()
	slices.SortStableFunc(finals, func(a, b Final) int {
		switch {
		case (a.Finished > 0) != (b.Finished > 0):
			return boolean(b.Finished > 0) - boolean(a.Finished > 0)
		case a.Loss == nil || b.Loss == nil:
			return boolean(a.Loss == nil) - boolean(b.Loss == nil)
		case *a.Loss < *b.Loss:
			return -1
		case *a.Loss > *b.Loss:
			return 1
		}
		return 0
	})
	for _, f := range finals {
		row := []string{f.Model, "–", "–", "–", "–", fmt.Sprintf("%d of %d", f.Finished, f.Seeds), thousands(int64(f.Steps)), plot.Short(f.Tokens), plot.Short(f.TokensPerS)}
		if f.Loss != nil {
			row[1], row[3] = fmt.Sprintf("%.4f", *f.Loss), fmt.Sprintf("%.4f", *f.BitsPerByte)
			if f.Seeds > 1 {
				row[2], row[4] = fmt.Sprintf("%.4f", f.Deviation), fmt.Sprintf("%.4f", f.BitsDeviation)
			}
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// sizes are parameters and operations.
func (p *Page) sizes() grid {
	g := grid{Header: []string{"model", "active", "all", "active of the largest", "with embedding and head", "operations/token", "operations to train"}}
	most := int64(1)
	for _, f := range p.Finals() {
		most = max(most, f.PaperActive)
	}
	for _, f := range p.Finals() {
		if f.Total == 0 {
			continue
		}
		g.Rows = append(g.Rows, []string{
			f.Model, thousands(f.PaperActive), thousands(f.PaperTotal), fmt.Sprintf("%.1f %%", 100*float64(f.PaperActive)/float64(most)),
			thousands(f.Total), plot.Short(float64(f.FLOPs)), plot.Short(3 * float64(f.FLOPs) * f.Tokens),
		})
	}
	return g
}

// thousands separates groups of three digits.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func short(hash string) string { return hash[:min(len(hash), 12)] }

// parities are all pairs.
func (p *Page) parities() grid {
	g := grid{Header: []string{"model → other's final loss", "steps", "95 % interval", "operations", "seconds", "loss", "reached at step", "of", "seeds"}}
	ratio := func(x *float64) string {
		if x == nil {
			return "–"
		}
		return factor(*x)
	}
	disturbed := p.clock().disturbed > 0
	for _, x := range p.Pairs() {
		if disturbed {
			x.Seconds = nil
		}
		step := "never"
		if x.Ratio != nil {
			step = thousands(int64(math.Round(x.Step)))
		}
		g.Rows = append(g.Rows, []string{
			x.Model + " → " + x.Other, ratio(x.Ratio), x.Interval(), ratio(x.FLOPs), ratio(x.Seconds), fmt.Sprintf("%.4f", x.Loss), step, thousands(int64(x.OtherStep)), fmt.Sprint(x.Seeds),
		})
	}
	return g
}

// mostPrinted is up to how many pairs are printed; of more, those with the first model.
const mostPrinted = 15

// Print writes the results as text.
func (p *Page) Print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	pairs := p.parities()
	if len(pairs.Rows) > mostPrinted {
		first := p.Groups[0].Name
		pairs.Rows = slices.DeleteFunc(pairs.Rows, func(row []string) bool {
			return !strings.HasPrefix(row[0], first+" → ") && !strings.HasSuffix(row[0], " → "+first)
		})
	}
	for _, g := range []grid{p.results(), pairs} {
		if len(g.Rows) == 0 {
			continue
		}
		fmt.Fprintln(t, strings.Join(g.Header, "\t"))
		for _, row := range g.Rows {
			fmt.Fprintln(t, strings.Join(row, "\t"))
		}
		fmt.Fprintln(t)
	}
	t.Flush()
}

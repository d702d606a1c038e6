package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/moezoo/moezoo/bench"
	"github.com/moezoo/moezoo/report/plot"
)

// readDecoding reads a measurement, nil when it has not been made.
func readDecoding(path string) (*bench.Decoding, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d := &bench.Decoding{}
	if err := json.Unmarshal(raw, d); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if n := len(d.Contexts); len(d.Median) != n || len(d.Best) != n || len(d.StateBytes) != n {
		return nil, fmt.Errorf("%s: %d contexts with %d, %d and %d measurements", path, n, len(d.Median), len(d.Best), len(d.StateBytes))
	}
	return d, nil
}

// decodeFigures draw time and memory of decoding over the tokens before.
func (p *Page) decodeFigures() []Figure {
	if len(p.Decoding) == 0 {
		return nil
	}
	x := plot.Axis{Label: "tokens before", Log: true, Base: 2}
	times := plot.Lines{ID: "decode-time", Title: "Time to decode a token", X: x, Y: plot.Axis{Label: "milliseconds per token", Log: true}, FormatX: plot.Binary}
	states := plot.Lines{ID: "decode-state", Title: "State of one sequence", X: x, Y: plot.Axis{Label: "bytes", Log: true, Base: 4}, FormatX: plot.Binary, FormatY: plot.Binary}
	took, held := Table{Header: []string{"model", "context", "median ms", "best ms"}}, Table{Header: []string{"model", "context", "state bytes"}}
	for i, d := range p.Decoding {
		l := p.lineOf(d.Model, i)
		for j, n := range d.Contexts {
			l.X = append(l.X, float64(n))
			took.add(d.Model, n, d.Median[j], d.Best[j])
			held.add(d.Model, n, d.StateBytes[j])
		}
		l.Y = d.Median
		times.Series = append(times.Series, l)
		l.Y = nil
		for _, b := range d.StateBytes {
			l.Y = append(l.Y, float64(b))
		}
		states.Series = append(states.Series, l)
	}
	return []Figure{
		{Drawing: times.Draw(), Table: took, Caption: decodeCaption(p.Decoding)},
		{Drawing: states.Draw(), Table: held, Caption: "Memory that the states take as allocated: recurrent states and, where there is attention, caches whose capacity doubles."},
	}
}

// decodeCaption says what was measured, where, and what else the machine did meanwhile.
func decodeCaption(all []*bench.Decoding) string {
	first, on := all[0], all[0].Host
	s := fmt.Sprintf("Median of %d tokens of a single sequence behind so many others, float32, on %s (%s, %d threads).", first.Repeats, on.Processor, on.Machine, on.Threads)
	read, others, trained := first.Read, 0.0, true
	for _, d := range all {
		read, trained = min(read, d.Read), trained && d.Weights != ""
		if d.Others == nil || others < 0 {
			others = -1
		} else {
			others = max(others, *d.Others)
		}
	}
	if trained {
		s += " The weights are those of each model's first run."
	}
	if read > 0 {
		s += fmt.Sprintf(" Up to %d tokens of text were read before; behind more, the caches of attention hold these again and again.", read)
	}
	if others >= 0 {
		s += fmt.Sprintf(" No run of the study was trained meanwhile; other programs took up to %.0f %% of the processors.", 100*others)
	}
	return s
}

// lineOf begins the line of the n-th measured model as it is in the other figures.
func (p *Page) lineOf(model string, n int) plot.Line {
	for _, g := range p.Groups {
		if g.Name == model {
			return plot.Line{Name: model, Number: g.Number, Colour: g.Colour, Dots: true}
		}
	}
	n += len(p.Groups)
	return plot.Line{Name: model, Number: n + 1, Colour: n, Dots: true}
}

package bench

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/moezoo/moezoo/graph/narrow"
)

// Growth are the parts that measure how cost grows: a training step with the tokens of one
// row, with the layers and with the number of experts, and decoding with the tokens before.
var Growth = []string{"tokens", "layers", "experts", "context"}

// Extents that are measured.
var (
	growTokens  = []int{1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10}
	growRepeat  = []int{1, 2, 4, 8}
	growExperts = []int{8, 16, 32, 64}
	growContext = []int{64, 1 << 10, 4 << 10, 16 << 10, 64 << 10}
)

// affineFrom is the number of tokens from which on a step is expected to cost as much more
// as it has more tokens: below, matrices are too small for the kernels' best.
const affineFrom = 4 << 10

// Curve is how time grows with one extent, as rows of the report tell it: by the clock, and
// the processor time of all threads, which another program on the machine disturbs less.
type Curve struct {
	What    string `json:"what"` // of Growth
	Extents []int  `json:"extents"`
	Line
	CPU Line `json:"cpu"`
}

// Line is a line through medians.
type Line struct {
	Median []float64 `json:"median_ms"`
	// Ratio is the last median over the first.
	Ratio float64 `json:"last_over_first"`
	// Fixed + PerUnit·extent fits the medians with the smallest relative errors, of which Off is
	// the largest; for tokens from 4,096 on.
	Fixed   float64 `json:"fixed_ms"`
	PerUnit float64 `json:"ms_per_unit"`
	Off     float64 `json:"largest_relative_error"`
}

// growth measures one of Growth.
func (b *bench) growth(what string) error {
	switch what {
	case "tokens":
		return b.steps(what, growTokens, func(n int) []string {
			return []string{"train.batch=1", fmt.Sprintf("train.context=%d", n)}
		}, affineFrom)
	case "layers":
		return b.steps(what, growRepeat, func(n int) []string { return []string{fmt.Sprintf("repeat=%d", n)} }, 0)
	case "experts":
		return b.steps(what, growExperts, func(n int) []string { return []string{fmt.Sprintf("layers.moe.experts=%d", n)} }, 0)
	}
	return b.contexts(growContext)
}

// steps measures training steps of changed recipes.
func (b *bench) steps(what string, extents []int, settings func(int) []string, from int) error {
	var times []Times
	for _, n := range extents {
		b.progress(fmt.Sprintf("%s: %d", what, n))
		m, err := b.Change(settings(n)...)
		if err != nil {
			return err
		}
		b.forget()
		s, err := b.newStepper(m)
		if err != nil {
			return err
		}
		t, err := repeat(b.Repeats, s.once)
		p, failed := s.profile()
		s.Close()
		if err := errors.Join(err, failed); err != nil {
			return err
		}
		b.addRow(fmt.Sprintf("%s, %s = %d", s.name(), what, n), s.tokens(), t, p.operations, 0)
		times = append(times, t)
	}
	b.report.Curves = append(b.report.Curves, newCurve(what, extents, times, from))
	return nil
}

// contexts measures decoding behind more and more tokens.
func (b *bench) contexts(extents []int) error {
	dec, w, err := b.newDecoder(narrow.Float32)
	if err != nil {
		return err
	}
	defer dec.Close()
	operations, read, err := b.decodeCost(w)
	if err != nil {
		return err
	}
	var times []Times
	one := make([]int64, 1)
	for _, n := range extents {
		b.progress(fmt.Sprintf("context: %d", n))
		ids := make([]int64, n-dec.Length())
		tokens(ids, int(b.model.Net.Vocabulary))
		if _, err := dec.Feed(b.ctx, ids); err != nil {
			return err
		}
		t, err := repeat(b.Repeats*tokensPerRepeat, func() error {
			_, err := dec.Feed(b.ctx, one)
			return err
		})
		if err != nil {
			return err
		}
		b.addRow(fmt.Sprintf("decode, 1 token behind %d", n), 1, t, operations, read)
		times = append(times, t)
	}
	b.report.Curves = append(b.report.Curves, newCurve("context", extents, times, 0))
	return nil
}

func newCurve(what string, extents []int, times []Times, from int) Curve {
	wall, cpu := make([]float64, len(times)), make([]float64, len(times))
	for i, t := range times {
		wall[i], cpu[i] = t.Median, t.CPU
	}
	return Curve{What: what, Extents: extents, Line: newLine(extents, wall, from), CPU: newLine(extents, cpu, from)}
}

func newLine(extents []int, medians []float64, from int) Line {
	if slices.Contains(medians, 0) { // a system that does not tell processor time
		return Line{Median: medians}
	}
	l := Line{Median: medians, Ratio: medians[len(medians)-1] / medians[0]}
	first := 0
	for extents[first] < from {
		first++
	}
	l.Fixed, l.PerUnit = fit(extents[first:], medians[first:])
	for i := first; i < len(extents); i++ {
		l.Off = max(l.Off, math.Abs(l.Fixed+l.PerUnit*float64(extents[i])-medians[i])/medians[i])
	}
	return l
}

// fit is the line a + b·x with the smallest sum of squared relative errors.
func fit(x []int, y []float64) (a, b float64) {
	var s, sx, sxx, sy, sxy float64
	for i := range x {
		v, w := float64(x[i]), 1/(y[i]*y[i])
		s, sx, sxx, sy, sxy = s+w, sx+w*v, sxx+w*v*v, sy+w*y[i], sxy+w*v*y[i]
	}
	b = (s*sxy - sx*sy) / (s*sxx - sx*sx)
	return (sy - b*sx) / s, b
}

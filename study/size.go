package study

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// defaultKnobs is what sizing may change when a model does not say: its depth.
var defaultKnobs = []recipe.Knob{{Key: "repeat", Step: 1}}

// size resolves every model, and sizes those that the study matches.
func (s *Study) size(ctx context.Context) error {
	target := int64(0)
	if s.Match != nil {
		for i, m := range s.Study.Models {
			if m.Name != s.Match.To {
				continue
			}
			z := &sizer{ctx: ctx, study: s, index: i}
			counts, _, err := z.count(nil)
			if err != nil {
				return err
			}
			target = counted(counts, s.Match.By)
		}
	}
	for i, m := range s.Study.Models {
		z := &sizer{ctx: ctx, study: s, index: i, target: target}
		best := &sized{}
		var err error
		if s.Match == nil || m.Name == s.Match.To {
			best.counts, best.recipe, err = z.count(nil)
		} else if best, err = z.search(m.Size); err == nil && math.Abs(best.off) > s.Match.Within {
			err = s.ErrorAt(fmt.Sprintf("models[%d]", i), fmt.Sprintf("the nearest that %s comes to the %d %s of %s is %d (%s), which is %.1f %% off",
				m.Name, target, unit(s.Match.By), s.Match.To, counted(best.counts, s.Match.By), best.words(), 100*best.off),
				"let its size move in finer steps, as in size: {repeat: 1, layers.ff.width: 8}, or allow more: match: {within: 10%}")
		}
		if err != nil {
			return err
		}
		s.Models = append(s.Models, Model{Name: m.Name, Settings: best.settings, Counts: best.counts, Off: best.off, Recipe: best.recipe, index: i})
	}
	return nil
}

// counted is the count that models are matched by.
func counted(c blocks.Counts, by recipe.MatchBy) int64 {
	switch by {
	case recipe.ByTotal:
		return c.PaperTotal
	case recipe.ByFLOPs:
		return c.FLOPs
	}
	return c.PaperActive
}

func unit(by recipe.MatchBy) string {
	switch by {
	case recipe.ByTotal:
		return "parameters"
	case recipe.ByFLOPs:
		return "operations per token"
	}
	return "active parameters"
}

// sized is a model at one size.
type sized struct {
	settings []string
	counts   blocks.Counts
	recipe   *recipe.Recipe
	off      float64
}

// words are the settings that make the size.
func (s *sized) words() string {
	if len(s.settings) == 0 {
		return "as it is"
	}
	return strings.Join(s.settings, ", ")
}

// sizer looks for the size of one model.
type sizer struct {
	ctx    context.Context
	study  *Study
	index  int
	target int64
}

// count builds the model with settings and counts it.
func (z *sizer) count(settings []string) (blocks.Counts, *recipe.Recipe, error) {
	if err := z.ctx.Err(); err != nil {
		return blocks.Counts{}, nil, err
	}
	r, err := z.study.Study.Load(z.index, settings...)
	if err != nil {
		return blocks.Counts{}, nil, err
	}
	m, err := zoo.BuildTrusting(z.ctx, r, z.study.host) // routers are tested when a run begins
	if err != nil {
		return blocks.Counts{}, nil, fmt.Errorf("%s: %w", z.study.Study.Models[z.index].Name, err)
	}
	c, err := m.Net.Count(r.Train.Context)
	return c, r, err
}

// at measures one size.
func (z *sizer) at(settings []string) (*sized, error) {
	c, r, err := z.count(settings)
	if err != nil {
		return nil, err
	}
	return &sized{settings, c, r, float64(counted(c, z.study.Match.By))/float64(z.target) - 1}, nil
}

// search moves the coarsest knob to just below and just above the size that is wanted, and at
// either place the next; it answers the nearest of all. A model without knobs of its own may
// change its depth; size: {} lets it change nothing.
func (z *sizer) search(knobs []recipe.Knob) (*sized, error) {
	best, err := z.at(nil)
	if err != nil {
		return nil, err
	}
	if knobs == nil {
		knobs = defaultKnobs
	}
	err = z.turn(knobs, nil, best)
	return best, err
}

// maxTurn bounds what a knob is turned to.
const maxTurn = 1 << 20

// turn looks for the value of the first knob at which the count passes the target, and goes
// on with the next knob on both sides of it.
func (z *sizer) turn(knobs []recipe.Knob, settings []string, best *sized) error {
	if len(knobs) == 0 {
		return nil
	}
	k := knobs[0]
	with := func(n int64) []string {
		return append(settings[:len(settings):len(settings)], fmt.Sprintf("%s=%d", k.Key, n*k.Step))
	}
	low, high, err := bracket(func(n int64) (float64, error) {
		s, err := z.at(with(n))
		if err != nil {
			return 0, err
		}
		best.improve(s)
		return s.off, nil
	})
	if err != nil {
		return err
	}
	for _, n := range []int64{low, high} {
		if n > 0 {
			if err := z.turn(knobs[1:], with(n), best); err != nil {
				return err
			}
		}
	}
	return nil
}

// bracket finds the neighbours low and high between which a rising f passes 0: f(low) < 0,
// unless low is 0, and f(high) ≥ 0, unless high is beyond maxTurn. Counts are nearly lines, so
// it guesses by a line, and halves where that does not help.
func bracket(f func(n int64) (float64, error)) (low, high int64, err error) {
	high = 1
	at, above := 0.0, 0.0 // f at low, and at high
	for {
		if above, err = f(high); err != nil || above >= 0 || high > maxTurn {
			break
		}
		next := 2 * high
		if low > 0 && above > at { // where the line through both is 0
			next = max(high+1, min(high+int64(math.Ceil(-above/(above-at)*float64(high-low))), 2*maxTurn))
		}
		low, at, high = high, above, next
	}
	for guess := true; err == nil && above >= 0 && high-low > 1; guess = !guess {
		middle := (low + high) / 2
		if guess && low > 0 && above > at {
			middle = min(max(low+int64(-at/(above-at)*float64(high-low)), low+1), high-1)
		}
		var off float64
		if off, err = f(middle); off >= 0 {
			high, above = middle, off
		} else {
			low, at = middle, off
		}
	}
	return low, high, err
}

// improve takes a size that is nearer to the target.
func (s *sized) improve(other *sized) {
	if math.Abs(other.off) < math.Abs(s.off) {
		*s = *other
	}
}

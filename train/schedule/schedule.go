package schedule

import (
	"fmt"
	"math"
)

// Schedule is a learning rate over the steps 0 … Steps−1.
type Schedule struct {
	Kind   Kind
	LR     float64 // the peak
	Steps  int
	Warmup int     // steps of linear rise
	Final  float64 // the end as a fraction of the peak
	Decay  int     // WSD: steps of linear fall at the end
}

// Kind names a shape.
type Kind string

// Shapes, after a linear warm-up: Cosine falls along half a cosine (arXiv 2401.04081 as
// its authors' code has it), WSD stays and falls linearly at the end (arXiv 2404.06395),
// Linear falls linearly, Constant stays.
const (
	Cosine   Kind = "cosine"
	WSD      Kind = "wsd"
	Linear   Kind = "linear"
	Constant Kind = "constant"
)

// Check refuses settings that make no sense.
func (s Schedule) Check() error {
	switch s.Kind {
	case Cosine, WSD, Linear, Constant:
	default:
		return fmt.Errorf("unknown schedule %q: want cosine, wsd, linear or constant", s.Kind)
	}
	if !(s.LR > 0) || math.IsInf(s.LR, 0) {
		return fmt.Errorf("learning rate %v: want a positive number", s.LR)
	}
	if s.Steps < 1 || s.Warmup < 0 || s.Warmup > s.Steps || s.Decay < 0 || s.Warmup+s.Decay > s.Steps {
		return fmt.Errorf("%d steps do not hold %d of warm-up and %d of decay", s.Steps, s.Warmup, s.Decay)
	}
	if !(s.Final >= 0 && s.Final <= 1) {
		return fmt.Errorf("final fraction %v: want 0 to 1", s.Final)
	}
	return nil
}

// At is the learning rate of a step, counted from 0. Warm-up reaches the peak at its last
// step: lr·(step+1)/warmup. After the last step the final value stays.
func (s Schedule) At(step int) float64 {
	if step < s.Warmup {
		return s.LR * float64(step+1) / float64(s.Warmup)
	}
	switch s.Kind {
	case Cosine:
		along := fraction(step-s.Warmup, s.Steps-s.Warmup)
		return s.LR * (s.Final + (1-s.Final)/2*(1+math.Cos(math.Pi*along)))
	case Linear:
		return s.LR * (1 - (1-s.Final)*fraction(step-s.Warmup, s.Steps-s.Warmup))
	case WSD:
		return s.LR * (1 - (1-s.Final)*fraction(step-(s.Steps-s.Decay), s.Decay))
	}
	return s.LR
}

// fraction is i/n within 0 … 1.
func fraction(i, n int) float64 {
	if n <= 0 {
		if i < 0 {
			return 0
		}
		return 1
	}
	return min(max(float64(i)/float64(n), 0), 1)
}

package schedule

import (
	"math"
	"strings"
	"testing"
)

func TestCosineIsThePapers(t *testing.T) {
	s := Schedule{Kind: Cosine, LR: 1e-3, Steps: 1000, Warmup: 10, Final: 0.1}
	for _, step := range []int{0, 5, 9, 10, 11, 500, 999, 1000, 5000} {
		want := 1e-3 * float64(step+1) / 10
		if step >= 10 {
			want = 0.1*1e-3 + 0.45*1e-3*(1+math.Cos(math.Pi*float64(step-10)/990))
		}
		if step >= 1000 {
			want = 1e-4
		}
		if got := s.At(step); math.Abs(got-want) > 1e-12 {
			t.Errorf("step %d: %v, want %v", step, got, want)
		}
	}
}

func TestShapesBeginAndEndWhereTheySay(t *testing.T) {
	for _, c := range []struct {
		s                     Schedule
		first, middle, steady float64
	}{
		{Schedule{Kind: WSD, LR: 2, Steps: 100, Warmup: 10, Decay: 20, Final: 0.5}, 0.2, 2, 1},
		{Schedule{Kind: Linear, LR: 2, Steps: 110, Warmup: 10, Final: 0}, 0.2, 1, 0},
		{Schedule{Kind: Constant, LR: 2, Steps: 110, Warmup: 10}, 0.2, 2, 2},
	} {
		if err := c.s.Check(); err != nil {
			t.Fatal(err)
		}
		for step, want := range map[int]float64{0: c.first, 60: c.middle, 1000: c.steady} {
			if got := c.s.At(step); math.Abs(got-want) > 1e-12 {
				t.Errorf("%s at %d: %v, want %v", c.s.Kind, step, got, want)
			}
		}
	}
}

func TestSettingsThatMakeNoSenseAreRefused(t *testing.T) {
	ok := Schedule{Kind: Cosine, LR: 1, Steps: 10}
	for want, change := range map[string]func(*Schedule){
		"unknown schedule":      func(s *Schedule) { s.Kind = "sine" },
		"learning rate NaN":     func(s *Schedule) { s.LR = math.NaN() },
		"learning rate -1":      func(s *Schedule) { s.LR = -1 },
		"do not hold 11":        func(s *Schedule) { s.Warmup = 11 },
		"final fraction 2":      func(s *Schedule) { s.Final = 2 },
		"0 steps do not hold":   func(s *Schedule) { s.Steps = 0 },
		"6 of warm-up and 5 of": func(s *Schedule) { s.Warmup, s.Decay = 6, 5 },
	} {
		s := ok
		change(&s)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

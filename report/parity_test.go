package report

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/moezoo/moezoo/zoo"
)

// law is a loss that falls as a power of the step, the shape of real ones.
func law(step float64) float64 { return 1.5 + 4*math.Pow(step, -0.3) }

// synthetic is a run that goes through law speed times as fast, with noise, evaluated 40 times.
func synthetic(label string, seed uint64, speed float64, last int, noise func() float64) *Run {
	r := &Run{Dir: label, Record: &zoo.Record{Label: label, Configured: label, Seed: seed, Steps: int64(last), StepTokens: 1}}
	for i := 1; i <= 40; i++ {
		step := float64(last*i) / 40
		r.Held.Step = append(r.Held.Step, step)
		r.Held.Loss = append(r.Held.Loss, law(speed*step)+noise())
	}
	r.Bits = r.Held.Loss
	return r
}

func silent() float64 { return 0 }

func compareGroups(t *testing.T, a, b []*Run) Pair {
	t.Helper()
	p, ok := parity(&Group{Name: "a", Runs: a}, &Group{Name: "b", Runs: b})
	if !ok {
		t.Fatal("the groups are not compared")
	}
	return p
}

func TestParityOfCurvesWithKnownAnswers(t *testing.T) {
	for _, speed := range []float64{1, 1.3, 2.2, 5} {
		p := compareGroups(t, []*Run{synthetic("a", 0, speed, 2000, silent)}, []*Run{synthetic("b", 0, 1, 2000, silent)})
		// Smoothing and interpolation between 40 evaluations cost up to a few per cent.
		if p.Ratio == nil || math.Abs(*p.Ratio/speed-1) > 0.03 {
			t.Errorf("speed %v: ratio %v", speed, p.Words())
			continue
		}
		if math.Abs(p.Step*speed/2000-1) > 0.03 || p.OtherStep != 2000 {
			t.Errorf("speed %v: step %v of %v", speed, p.Step, p.OtherStep)
		}
	}
}

func TestParityWithAnotherBudget(t *testing.T) {
	// b stops at 500 steps; a, twice as fast, is there after 250 of its 4000.
	p := compareGroups(t, []*Run{synthetic("a", 0, 2, 4000, silent)}, []*Run{synthetic("b", 0, 1, 500, silent)})
	if p.Ratio == nil || math.Abs(*p.Ratio-2) > 0.1 {
		t.Errorf("ratio %v", p.Words())
	}
	// c is half as fast, but has the steps to get there: it needs 1000.
	p = compareGroups(t, []*Run{synthetic("c", 0, 0.5, 4000, silent)}, []*Run{synthetic("b", 0, 1, 500, silent)})
	if p.Ratio == nil || math.Abs(*p.Ratio-0.5) > 0.025 {
		t.Errorf("ratio %v", p.Words())
	}
}

func TestParityThatIsNeverReached(t *testing.T) {
	slow := []*Run{synthetic("a", 0, 0.5, 1000, silent), synthetic("a", 1, 0.5, 1000, silent)}
	p := compareGroups(t, slow, []*Run{synthetic("b", 0, 1, 1000, silent), synthetic("b", 1, 1, 1000, silent)})
	if p.Ratio != nil || p.Low != nil || p.High != nil || p.Step != 0 || p.Words() != "never reached" {
		t.Errorf("%+v: %s", p, p.Words())
	}
	// With noise that is as large as the difference the interval of one seed says "never" below.
	rng := rand.New(rand.NewPCG(7, 7))
	noise := func() float64 { return 0.05 * rng.NormFloat64() }
	p = compareGroups(t, []*Run{synthetic("a", 0, 1, 1000, noise)}, []*Run{synthetic("b", 0, 1.05, 1000, noise)})
	if p.Low != nil {
		t.Errorf("the interval %s of two curves that noise hides is closed", p.Interval())
	}
	// One seed of two gets there: no mean, the interval is open.
	p = compareGroups(t, []*Run{synthetic("a", 0, 2, 1000, silent), synthetic("a", 1, 0.9, 1000, silent)},
		[]*Run{synthetic("b", 0, 1, 1000, silent), synthetic("b", 1, 1, 1000, silent)})
	if p.Ratio == nil || p.Low != nil {
		t.Errorf("%s", p.Words())
	}
}

// TestParityIntervalsCoverTheTruth: of many studies of three seeds whose speeds scatter, about
// 95 of a hundred intervals hold the true ratio.
func TestParityIntervalsCoverTheTruth(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const studies = 200
	covered := 0
	for range studies {
		var as, bs []*Run
		for seed := range uint64(3) {
			noise := func() float64 { return 0.003 * rng.NormFloat64() }
			as = append(as, synthetic("a", seed, 2*math.Exp(0.1*rng.NormFloat64()), 2000, noise))
			bs = append(bs, synthetic("b", seed, math.Exp(0.1*rng.NormFloat64()), 2000, noise))
		}
		if p := compareGroups(t, as, bs); p.Low != nil && *p.Low <= 2 && 2 <= *p.High {
			covered++
		}
	}
	if share := float64(covered) / studies; share < 0.90 || share > 0.99 { // ±3 standard errors around 95 %
		t.Errorf("%.1f %% of the intervals hold the truth", 100*share)
	}
}

func TestParityNeedsEvaluationsAndACommonSeed(t *testing.T) {
	short := synthetic("a", 0, 1, 100, silent)
	short.Held.Step, short.Held.Loss = short.Held.Step[:4], short.Held.Loss[:4]
	if _, ok := parity(&Group{Runs: []*Run{short}}, &Group{Runs: []*Run{synthetic("b", 0, 1, 100, silent)}}); ok {
		t.Error("four evaluations make a curve")
	}
	if _, ok := parity(&Group{Runs: []*Run{synthetic("a", 1, 1, 100, silent)}}, &Group{Runs: []*Run{synthetic("b", 2, 1, 100, silent)}}); ok {
		t.Error("runs of different seeds are paired")
	}
}

func TestSmoothKeepsLines(t *testing.T) {
	var x, y []float64
	for i := range 30 {
		x, y = append(x, math.Sqrt(float64(i))), append(y, 7-2*math.Sqrt(float64(i)))
	}
	for i, v := range smooth(x, y) {
		if math.Abs(v-y[i]) > 1e-9 {
			t.Errorf("point %d of a line is %v, want %v", i, v, y[i])
		}
	}
}

func TestFallingPoolsWhatRises(t *testing.T) {
	got := falling([]float64{5, 3, 4, 1, 2, 3, 0})
	want := []float64{5, 3.5, 3.5, 2, 2, 2, 0}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}

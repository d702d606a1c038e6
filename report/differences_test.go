package report

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/zoo"
)

// ended is a group of finished runs of 100 steps with these final losses, by seed from first.
func ended(label string, first uint64, losses ...float64) *Group {
	g := &Group{Name: label}
	for i, loss := range losses {
		r := &Run{Dir: label, Record: &zoo.Record{Label: label, Configured: label, Seed: first + uint64(i), Steps: 100, StepTokens: 64, Context: 16, DataHash: "text"}}
		r.Held = Curve{Step: []float64{50, 100}, Loss: []float64{9, loss}}
		r.Bits = []float64{9, 2 * loss}
		g.Runs = append(g.Runs, r)
	}
	return g
}

func pageOf(groups ...*Group) *Page {
	p := &Page{Groups: groups}
	for i, g := range groups {
		g.Number, g.Colour = i+1, i
		p.Runs = append(p.Runs, g.Runs...)
	}
	return p
}

func TestDifferencesWithKnownAnswers(t *testing.T) {
	// Seeds differ by more than the models, which pairing takes out: −0.1, −0.05, −0.1 have the
	// mean −1/12 and the deviation √(1/1200); t of two degrees is 4.302653.
	p := pageOf(ended("mamba", 0, 2, 2.1, 2.3), ended("moe-mamba", 0, 1.9, 2.05, 2.2))
	all := p.Differences()
	if len(all) != 1 {
		t.Fatalf("%+v", all)
	}
	d := all[0]
	half := 4.302653 * math.Sqrt(1.0/1200) / math.Sqrt(3)
	for what, v := range map[string][2]float64{
		"mean": {d.Mean, -1.0 / 12}, "deviation": {d.Deviation, math.Sqrt(1.0 / 1200)}, "low": {*d.Low, -1.0/12 - half}, "high": {*d.High, -1.0/12 + half}, "bits": {d.BitsPerByte, -1.0 / 6},
	} {
		if math.Abs(v[0]-v[1]) > 1e-6 {
			t.Errorf("%s is %v, want %v", what, v[0], v[1])
		}
	}
	if d.Model != "moe-mamba" || d.Reference != "mamba" || len(d.Seeds) != 3 || d.Verdict() != "lower" || d.Interval() != "[−0.1550, −0.0116]" {
		t.Errorf("%+v: %s, %s", d, d.Verdict(), d.Interval())
	}
}

// TestRunsOnTheirWayCountForNothing where others of the model are finished.
func TestRunsOnTheirWayCountForNothing(t *testing.T) {
	straggler := func(g *Group) *Group {
		r := *g.Runs[0]
		record := *r.Record
		record.Seed, r.Record = 9, &record
		r.Held, r.Bits = Curve{Step: []float64{50}, Loss: []float64{9}, Tokens: []float64{1}}, []float64{9}
		g.Runs = append(g.Runs, &r)
		return g
	}
	g := straggler(ended("a", 0, 2, 2.2))
	l, seeds := g.line(axes[0].of, func(r *Run) Curve { return r.Held })
	if len(l.X) != 2 || l.X[1] != 100 || math.Abs(l.Y[1]-2.1) > 1e-12 || seeds[0] != 2 {
		t.Errorf("%+v, %v seeds", l, seeds)
	}
	if f := pageOf(g).Finals()[0]; math.Abs(*f.Loss-2.1) > 1e-12 || f.Finished != 2 || f.Seeds != 3 {
		t.Errorf("%+v", f)
	}
	// Two that are on their way are drawn as far as both have come.
	g.Runs = []*Run{g.Runs[2], {Record: g.Runs[2].Record, Held: Curve{Step: []float64{50, 75}, Loss: []float64{7, 6}}}}
	if l, _ := g.line(axes[0].of, func(r *Run) Curve { return r.Held }); len(l.X) != 1 || l.Y[0] != 8 {
		t.Errorf("%+v", l)
	}
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		losses []float64
		want   string
	}{
		{[]float64{2.1, 2.2, 2.4}, "higher"},
		{[]float64{2.1, 2.0, 2.35}, "undecided"},
		{[]float64{2, 2.1, 2.3}, "undecided"}, // the same numbers: no difference, no spread
		{[]float64{1.9}, "unknown"},
	} {
		d, ok := difference(ended("a", 0, c.losses...), ended("b", 0, 2, 2.1, 2.3))
		if !ok || d.Verdict() != c.want {
			t.Errorf("%v: %s, want %s", c.losses, d.Verdict(), c.want)
		}
	}
}

func TestOnlyRunsOfTheSameBatchesArePaired(t *testing.T) {
	a, b := ended("a", 1, 1, 1, 1), ended("b", 0, 2, 2, 2) // seeds 1 to 3, and 0 to 2
	if d, ok := difference(a, b); !ok || len(d.Seeds) != 2 || d.Mean != -1 {
		t.Errorf("%+v, %v", d, ok)
	}
	a.Runs[0].Record.Steps = 200 // not finished
	if d, ok := difference(a, b); !ok || len(d.Seeds) != 1 || d.Seeds[0] != 2 || d.Low != nil {
		t.Errorf("%+v, %v", d, ok)
	}
	for name, change := range map[string]func(*zoo.Record){
		"text":    func(r *zoo.Record) { r.DataHash = "other" },
		"batch":   func(r *zoo.Record) { r.StepTokens = 128 },
		"context": func(r *zoo.Record) { r.Context = 32 },
	} {
		c := ended("c", 0, 1)
		change(c.Runs[0].Record)
		if _, ok := difference(c, b); ok {
			t.Errorf("runs of another %s are paired", name)
		}
	}
}

func TestReferences(t *testing.T) {
	long := func(g *Group) *Group {
		for _, r := range g.Runs {
			r.Record.Steps, r.Held.Step[1] = 200, 200
		}
		g.Name += " (long)"
		return g
	}
	for reference, want := range map[string]string{"": "b−a, b (long)−a (long)", "b": "a−b, a (long)−b (long)"} {
		p := pageOf(ended("a", 0, 2, 2), ended("b", 0, 1, 1.1), long(ended("a", 0, 1.5, 1.5)), long(ended("b", 0, 1, 1.2)))
		if err := p.Against(reference); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range p.Differences() {
			got = append(got, d.Model+"−"+d.Reference)
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("against %q: %v, want %s", reference, got, want)
		}
	}
	if err := pageOf(ended("a", 0, 2)).Against("c"); err == nil {
		t.Error("a model that is not there is a reference")
	}
}

// TestDifferenceIntervalsCoverTheTruth: of a thousand studies of three seeds about 95 % of the
// intervals hold the true difference, though seeds scatter five times as much.
func TestDifferenceIntervalsCoverTheTruth(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	const studies, truth = 1000, -0.02
	covered := 0
	for range studies {
		var as, bs []float64
		for range 3 {
			seed := 0.05 * rng.NormFloat64()
			as = append(as, 2+seed+truth+0.01*rng.NormFloat64())
			bs = append(bs, 2+seed+0.01*rng.NormFloat64())
		}
		if d, _ := difference(ended("a", 0, as...), ended("b", 0, bs...)); *d.Low <= truth && truth <= *d.High {
			covered++
		}
	}
	if share := float64(covered) / studies; share < 0.93 || share > 0.97 { // ±3 standard errors
		t.Errorf("%.1f %% of the intervals hold the truth", 100*share)
	}
}

package report

import (
	"strings"
	"testing"
	"time"

	"github.com/moezoo/moezoo/zoo"
)

// timed is a run whose steps took so many seconds, begun at a minute.
func timed(minute int, seconds ...float64) *Run {
	r := &Run{Record: &zoo.Record{Began: time.Date(2026, 11, 26, 12, minute, 0, 0, time.UTC), Host: zoo.Host{Machine: "m", Processor: "p"}}}
	at := 0.0
	for i, s := range seconds {
		at += s
		r.Train.Step, r.Train.Seconds = append(r.Train.Step, float64(i+1)), append(r.Train.Seconds, at)
	}
	return r
}

func TestDisturbedClocksAreToldOf(t *testing.T) {
	even, slow := []float64{10, 10, 10, 10, 10, 10, 10}, []float64{10, 10, 10, 10, 40, 40, 10} // six differences, the median 10, the mean 20
	other := timed(0, even...)
	other.Record.Host.Processor = "q"
	for _, c := range []struct {
		runs []*Run
		want []string
	}{
		{[]*Run{timed(0, even...), timed(2, even...)}, []string{"0 of 2 runs were made beside", "at most 1.00 times"}}, // 70 seconds each
		{[]*Run{timed(0, even...), timed(1, even...), timed(9, even...)}, []string{"2 of 3 runs were made beside", "at most 1.00"}},
		{[]*Run{timed(0, even...), other}, []string{"0 of 2 runs were made beside"}},
		{[]*Run{timed(0, even...), timed(2, slow...)}, []string{"In 1, steps took up to 2.00 times", "no measure of these models"}},
		{[]*Run{timed(0, 1)}, nil},
	} {
		p := &Page{Runs: c.runs}
		said := p.clock().words()
		for _, w := range c.want {
			if !strings.Contains(said, w) {
				t.Errorf("%q does not say %q", said, w)
			}
		}
		if c.want == nil && said != "" {
			t.Errorf("%q is said of a run without a clock", said)
		}
	}
}

func TestFactsAreSaidOnceOrCounted(t *testing.T) {
	p := pageOf(ended("a", 0, 1, 1), ended("b", 2, 1))
	for i, r := range p.Runs {
		r.Record.Host = zoo.Host{Machine: "amd64/avx512", System: "linux/amd64", Go: "go1.26", Revision: []string{"one", "one", "two"}[i]}
	}
	p.Runs[1].Skipped, p.Program = 2, "zoo of another day" // the runs know better
	got := map[string]string{}
	for _, f := range p.facts() {
		got[f.Name] = f.Value
	}
	for name, want := range map[string]string{
		"machine and kernels": "amd64/avx512 on linux/amd64", "program": "zoo of revision one, go1.26 (2 runs); zoo of revision two, go1.26 (1 run)",
		"seeds": "0 1 2", "batches": "64 tokens a step, context 16", "skipped": "2 steps whose gradients were not finite changed no weights",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
}

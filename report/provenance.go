package report

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"github.com/moezoo/moezoo/zoo"
)

// fact is something that is true of all runs, or of so many of them.
type fact struct{ Name, Value string }

// facts are where and on what the runs were made: what they share is said once.
func (p *Page) facts() []fact {
	var out []fact
	for _, f := range []struct {
		name string
		of   func(*zoo.Record) string
	}{
		{"program", func(r *zoo.Record) string {
			switch {
			case r.Host.Revision != "":
				return "zoo of revision " + r.Host.Revision + ", " + r.Host.Go
			case p.Program != "":
				return p.Program + ", " + r.Host.Go
			}
			return "zoo, built without its revision, " + r.Host.Go
		}},
		{"machine and kernels", func(r *zoo.Record) string { return r.Host.Machine + " on " + r.Host.System }},
		{"processor", func(r *zoo.Record) string {
			return fmt.Sprintf("%s, %d of %s", strings.TrimSpace(r.Host.Processor), r.Host.Threads, counted(r.Host.Cores, "core"))
		}},
		{"text", func(r *zoo.Record) string {
			return fmt.Sprintf("%s bytes for training, %s held out (%s targets), sha256 %s", thousands(r.TrainBytes), thousands(r.HeldBytes), thousands(int64(r.HeldTargets)), r.DataHash)
		}},
		{"batches", func(r *zoo.Record) string {
			return fmt.Sprintf("%s tokens a step, context %s", thousands(r.StepTokens), thousands(r.Context))
		}},
	} {
		if v := p.shared(f.of); v != "" {
			out = append(out, fact{f.name, v})
		}
	}
	if s := p.seeds(); len(s) > 0 {
		out = append(out, fact{"seeds", strings.Trim(fmt.Sprint(s), "[]")})
	}
	if n := p.skipped(); n > 0 {
		out = append(out, fact{"skipped", counted(n, "step") + " whose gradients were not finite changed no weights"})
	}
	return out
}

// shared is a value of the records; where they differ, each with how many runs have it.
func (p *Page) shared(of func(*zoo.Record) string) string {
	var values []string
	count := map[string]int{}
	for _, r := range p.Runs {
		if r.Record == nil {
			continue
		}
		v := of(r.Record)
		if count[v]++; count[v] == 1 {
			values = append(values, v)
		}
	}
	if len(values) > 1 {
		for i, v := range values {
			values[i] = fmt.Sprintf("%s (%s)", v, counted(count[v], "run"))
		}
	}
	return strings.Join(values, "; ")
}

// skipped is how many steps were, in all runs.
func (p *Page) skipped() int {
	n := 0
	for _, r := range p.Runs {
		n += r.Skipped
	}
	return n
}

// provenance is what differs from run to run.
func (p *Page) provenance() grid {
	g := grid{Header: []string{"run", "seed", "steps", "learning rate", "recipe", "graph", "begun", "seconds", "of a step"}}
	for _, r := range p.Runs {
		row := make([]string, len(g.Header))
		row[0] = filepath.Base(r.Dir)
		if x := r.Record; x != nil {
			row = []string{
				row[0], fmt.Sprint(x.Seed), fmt.Sprintf("%s of %s", thousands(int64(r.steps())), thousands(x.Steps)), r.rateWords(), short(x.RecipeHash), short(x.Counts.Hash),
				begun(x), fmt.Sprintf("%.0f", r.seconds()), fmt.Sprintf("%.3g", r.seconds()/math.Max(r.steps(), 1)),
			}
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}

// begun is when a run was begun, and of what it is a copy.
func begun(x *zoo.Record) string {
	s := x.Began.UTC().Format("2006-01-02 15:04")
	if x.ReusedFrom != "" {
		s += " as " + x.ReusedFrom
	}
	return s
}

func (r *Run) steps() float64 {
	if len(r.Train.Step) == 0 {
		return 0
	}
	return last(r.Train.Step)
}

func (r *Run) seconds() float64 {
	if len(r.Train.Seconds) == 0 {
		return 0
	}
	return last(r.Train.Seconds)
}

// runsTable is what was run, with whole hashes: what names a run stays the same when it is made
// anew.
func (p *Page) runsTable() Table {
	t := Table{Header: []string{"run", "model", "seed", "steps", "of", "learning rate", "recipe sha256", "text sha256", "graph sha256", "machine", "functions"}}
	p.eachRecord(func(g *Group, r *Run, x *zoo.Record) {
		t.add(filepath.Base(r.Dir), g.Name, x.Seed, r.steps(), x.Steps, r.rateWords(), x.RecipeHash, x.DataHash, x.Counts.Hash, x.Host.Machine, strings.Join(x.Functions, "; "))
	})
	return t
}

// eachRecord goes through the runs whose records are known, model by model.
func (p *Page) eachRecord(f func(*Group, *Run, *zoo.Record)) {
	for _, g := range p.Groups {
		for _, r := range g.Runs {
			if r.Record != nil {
				f(g, r, r.Record)
			}
		}
	}
}

// rateWords is the learning rate of a run, as far as it is known.
func (r *Run) rateWords() string {
	if _, rate, ok := (&Group{Runs: []*Run{r}}).family(); ok {
		return rateWords(rate)
	}
	return ""
}

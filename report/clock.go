package report

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	"github.com/moezoo/moezoo/zoo"
)

// timingTable is what changes with every making of the same runs.
func (p *Page) timingTable() Table {
	t := Table{Header: []string{"run", "begun", "seconds", "tokens/s", "median step seconds", "mean step seconds", "processor", "threads", "cores", "go", "revision", "reused from"}}
	p.eachRecord(func(_ *Group, r *Run, x *zoo.Record) {
		rate := math.NaN()
		if s := r.seconds(); s > 0 {
			rate = last(r.Train.Tokens) / s
		}
		mean, median := r.stepTimes()
		t.add(filepath.Base(r.Dir), x.Began.UTC().Format(time.RFC3339), r.seconds(), rate, median, mean, x.Host.Processor, x.Host.Threads, x.Host.Cores, x.Host.Go, x.Host.Revision, x.ReusedFrom)
	})
	return t
}

// stepTimes are the mean and the median of the seconds of a step, NaN where there are too few.
func (r *Run) stepTimes() (mean, median float64) {
	var each []float64
	for i := 1; i < len(r.Train.Seconds); i++ {
		if d := r.Train.Seconds[i] - r.Train.Seconds[i-1]; d > 0 {
			each = append(each, d)
		}
	}
	if len(each) < minEvaluations {
		return math.NaN(), math.NaN()
	}
	mean, _ = meanAndDeviation(each)
	slices.Sort(each)
	return mean, each[len(each)/2]
}

// unsteady is from which share on the mean of steps over their median is told of as disturbed.
const unsteady = 1.1

// clock is how far the seconds of runs can be trusted.
type clock struct {
	timed     int     // runs whose steps were timed
	beside    int     // of these, at the same time as others of them
	disturbed int     // whose steps took unequally long
	worst     float64 // mean of steps over their median
}

func (p *Page) clock() clock {
	c := clock{worst: 1}
	for _, r := range p.Runs {
		mean, median := r.stepTimes()
		if r.Record == nil || math.IsNaN(mean) {
			continue
		}
		c.timed++
		if slices.ContainsFunc(p.Runs, r.besides) {
			c.beside++
		}
		if mean/median > unsteady {
			c.disturbed++
		}
		c.worst = math.Max(c.worst, mean/median)
	}
	return c
}

// words say it.
func (c clock) words() string {
	switch {
	case c.timed == 0:
		return ""
	case c.disturbed > 0:
		return fmt.Sprintf("Going by when they began, %d of %s were made beside others of them. In %d, steps took up to %.2f times their run’s median on average: other work had a part in it, and seconds are no measure of these models.",
			c.beside, counted(c.timed, "run"), c.disturbed, c.worst)
	}
	return fmt.Sprintf("Going by when they began, %d of %s were made beside others of them. Steps took at most %.2f times their run’s median on average; work that slows all steps down alike does not show in that.",
		c.beside, counted(c.timed, "run"), c.worst)
}

// besides tells whether another run was made at the same time on the same machine.
func (r *Run) besides(other *Run) bool {
	if r == other || r.Record == nil || other.Record == nil || r.Record.Host.Machine != other.Record.Host.Machine || r.Record.Host.Processor != other.Record.Host.Processor {
		return false
	}
	end := func(r *Run) time.Time { return r.Record.Began.Add(time.Duration(r.seconds() * float64(time.Second))) }
	return r.Record.Began.Before(end(other)) && other.Record.Began.Before(end(r))
}

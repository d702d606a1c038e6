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
	t := Table{Header: []string{"run", "begun", "seconds", "tokens/s", "median step seconds", "mean step seconds", "processor", "threads", "cores", "go", "revision"}}
	p.eachRecord(func(_ *Group, r *Run, x *zoo.Record) {
		rate := math.NaN()
		if s := r.seconds(); s > 0 {
			rate = last(r.Train.Tokens) / s
		}
		mean, median := r.stepTimes()
		t.add(filepath.Base(r.Dir), x.Began.UTC().Format(time.RFC3339), r.seconds(), rate, median, mean, x.Host.Processor, x.Host.Threads, x.Host.Cores, x.Host.Go, x.Host.Revision)
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

// disturbance says how far the clock can be trusted: whether runs were made side by side, and
// whether their steps took unequally long.
func (p *Page) disturbance() string {
	beside, timed, disturbed, worst := 0, 0, 0, 1.0
	for _, r := range p.Runs {
		mean, median := r.stepTimes()
		if r.Record == nil || math.IsNaN(mean) {
			continue
		}
		timed++
		if slices.ContainsFunc(p.Runs, r.besides) {
			beside++
		}
		if mean/median > unsteady {
			disturbed++
		}
		worst = math.Max(worst, mean/median)
	}
	if timed == 0 {
		return ""
	}
	said := fmt.Sprintf("Going by when they began, %d of %s were made beside others of them.", beside, counted(timed, "run"))
	if disturbed > 0 {
		said += fmt.Sprintf(" In %d, other work slowed steps down, which took up to %.2f times their run's median on average: seconds are no measure of these models.", disturbed, worst)
	} else {
		said += fmt.Sprintf(" Steps took at most %.2f times their run's median on average; work that slows all steps down alike does not show in that.", worst)
	}
	return said
}

// besides tells whether another run was made at the same time on the same machine.
func (r *Run) besides(other *Run) bool {
	if r == other || r.Record == nil || other.Record == nil || r.Record.Host.Machine != other.Record.Host.Machine || r.Record.Host.Processor != other.Record.Host.Processor {
		return false
	}
	end := func(r *Run) time.Time { return r.Record.Began.Add(time.Duration(r.seconds() * float64(time.Second))) }
	return r.Record.Began.Before(end(other)) && other.Record.Began.Before(end(r))
}

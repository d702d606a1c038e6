package report

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Pair is how much faster Model reaches the held-out loss at which Other ends. The documentation
// of this package says how it is found.
type Pair struct {
	Model string `json:"model"`
	Other string `json:"other"`
	// Ratio is Other's steps over Model's, nil when Model never reaches that loss. Below 1,
	// Model needs more steps, which it may have when its budget is larger.
	Ratio *float64 `json:"ratio"`
	// Low and High are a 95 % confidence interval; a nil Low is "never", a nil High unknown.
	Low       *float64 `json:"low"`
	High      *float64 `json:"high"`
	Loss      float64  `json:"loss"`       // at which Other ends
	Step      float64  `json:"step"`       // at which Model reaches it, 0 for never
	OtherStep float64  `json:"other_step"` // at which Other does: its last
	FLOPs     *float64 `json:"flops_ratio"`
	Seconds   *float64 `json:"seconds_ratio"`
	Seeds     int      `json:"seeds"` // that both have
}

// minEvaluations are those that a curve needs to be smoothed.
const minEvaluations = 5

// trace is a smoothed curve of one seed.
type trace struct {
	step, loss []float64 // loss never rises
	raw, fit   []float64 // as measured and as smoothed
}

func newTrace(step, loss []float64) *trace {
	t := &trace{step: step, raw: loss, fit: smooth(logs(step), loss)}
	t.loss = falling(t.fit)
	return t
}

// end is the last step and the loss there.
func (t *trace) end() (step, loss float64) { return t.step[len(t.step)-1], t.loss[len(t.loss)-1] }

// ratio is how many times fewer steps t needs to reach where other ends, 0 for never.
func (t *trace) ratio(other *trace) (ratio, step float64) {
	last, level := other.end()
	at, ok := crossing(t.step, t.loss, level)
	if !ok {
		return 0, 0
	}
	return last / at, at
}

// shaken is the trace of one wild bootstrap sample.
func (t *trace) shaken(rng *rand.Rand) *trace {
	loss := make([]float64, len(t.raw))
	for i := range loss {
		loss[i] = t.fit[i] + (t.raw[i]-t.fit[i])*float64(2*rng.IntN(2)-1)
	}
	return newTrace(t.step, loss)
}

// traces are the smoothed curves of a group's comparable runs that are long enough, by seed.
func (g *Group) traces() map[uint64]*trace {
	out := map[uint64]*trace{}
	for _, r := range g.comparable() {
		if len(r.Held.Step) >= minEvaluations && r.Held.Step[0] > 0 {
			out[r.seed()] = newTrace(r.Held.Step, r.Held.Loss)
		}
	}
	return out
}

// average is the trace of mean losses, at the steps of the first that all reach.
func average(all []*trace) *trace {
	last := math.Inf(1)
	for _, t := range all {
		step, _ := t.end()
		last = min(last, step)
	}
	var steps, losses []float64
	for _, s := range all[0].step {
		if s > last {
			break
		}
		sum := 0.0
		for _, t := range all {
			sum += interpolate(t.step, t.raw, s)
		}
		steps, losses = append(steps, s), append(losses, sum/float64(len(all)))
	}
	return newTrace(steps, losses)
}

// parity compares two groups; false when they share no seed, or have too few evaluations.
func parity(a, b *Group) (Pair, bool) {
	p := Pair{Model: a.Name, Other: b.Name}
	ta, tb := a.traces(), b.traces()
	var seeds []uint64
	for s := range ta {
		if tb[s] != nil {
			seeds = append(seeds, s)
		}
	}
	if len(seeds) == 0 {
		return p, false
	}
	slices.Sort(seeds)
	p.Seeds = len(seeds)
	var as, bs []*trace
	for _, s := range seeds {
		as, bs = append(as, ta[s]), append(bs, tb[s])
	}
	ma, mb := average(as), average(bs)
	p.OtherStep, p.Loss = mb.end()
	ratio, step := ma.ratio(mb)
	if p.Step = step; ratio > 0 {
		p.Ratio = &ratio
	}
	if len(seeds) > 1 {
		p.overSeeds(as, bs)
	} else {
		p.overNoise(as[0], bs[0])
	}
	p.otherAxes(a, b)
	return p, true
}

// overSeeds takes the ratio of every seed, and Student's interval of their logarithms.
func (p *Pair) overSeeds(as, bs []*trace) {
	var logarithms []float64
	for i := range as {
		if r, _ := as[i].ratio(bs[i]); r > 0 {
			logarithms = append(logarithms, math.Log(r))
		}
	}
	if len(logarithms) < len(as) { // some seed never gets there
		return
	}
	mean, deviation := meanAndDeviation(logarithms)
	half := studentT(len(as)-1) * deviation / math.Sqrt(float64(len(as)))
	ratio, low, high := math.Exp(mean), math.Exp(mean-half), math.Exp(mean+half)
	p.Ratio, p.Low, p.High = &ratio, &low, &high
	p.Step = p.OtherStep / ratio
}

// bootstraps is the number of samples.
const bootstraps = 1000

// overNoise takes the middle 95 % of bootstrap samples.
func (p *Pair) overNoise(a, b *trace) {
	rng := rand.New(rand.NewPCG(1, 2))
	ratios := make([]float64, bootstraps)
	for i := range ratios {
		ratios[i], _ = a.shaken(rng).ratio(b.shaken(rng)) // 0 is below every ratio
	}
	slices.Sort(ratios)
	if low := ratios[bootstraps*25/1000]; low > 0 {
		p.Low = &low
	}
	if high := ratios[bootstraps*975/1000-1]; high > 0 {
		p.High = &high
	}
}

// otherAxes turns the ratio of steps into those of operations and of seconds.
func (p *Pair) otherAxes(a, b *Group) {
	ra, rb := a.Runs[0], b.Runs[0]
	if p.Ratio == nil || ra.Record == nil || rb.Record == nil {
		return
	}
	ca, cb := a.tokenCost()*float64(ra.Record.StepTokens), b.tokenCost()*float64(rb.Record.StepTokens)
	if ca > 0 {
		x := *p.Ratio * cb / ca
		p.FLOPs = &x
	}
	if sa, sb := a.stepSeconds(), b.stepSeconds(); sa > 0 && sb > 0 {
		x := *p.Ratio * sb / sa
		p.Seconds = &x
	}
}

// stepSeconds is the mean time of a step over all runs, 0 when unknown.
func (g *Group) stepSeconds() float64 {
	seconds, steps := 0.0, 0.0
	for _, r := range g.Runs {
		if n := len(r.Train.Step); n > 0 {
			seconds, steps = seconds+r.Train.Seconds[n-1], steps+r.Train.Step[n-1]
		}
	}
	if steps == 0 {
		return 0
	}
	return seconds / steps
}

// studentT is the 97.5 % quantile of Student's t.
func studentT(freedom int) float64 {
	return distuv.StudentsT{Sigma: 1, Nu: float64(freedom)}.Quantile(0.975)
}

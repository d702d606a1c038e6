package check

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/zoo"
)

// The loss is a float32 number, good to about lossNoise, so that a slope measured over a way is
// good to lossNoise/way. Beside that, the slope along a gradient may be off by alongTolerance of
// its length, and one along a random direction by scatteredTolerance of how large such slopes are.
const (
	lossNoise          = 3e-6
	alongTolerance     = 0.01
	scatteredTolerance = 0.1
)

// changes of the loss that are tried, as a way along the gradient is not known beforehand.
var changes = []float64{3e-3, 1e-3, 3e-4, 1e-4}

// batches are how many are tried where the loss jumps on every way, since tokens change their
// experts there: that proves nothing.
const batches = 4

// Gradient walks a little along the gradient of every parameter, and back: the loss must change
// by the gradient's length times the way, which any wrong element spoils. Two directions drawn at
// random meet elements that are wrongly 0, as the gradient's own does not.
func Gradient(ctx context.Context, t *zoo.Trained, o Options) (Verdict, error) {
	return GradientOf(ctx, t, o, func(param string) string { return param })
}

// GradientOf is the check of gradients that moves parameters of one group together.
func GradientOf(ctx context.Context, t *zoo.Trained, o Options, group func(param string) string) (Verdict, error) {
	v := Verdict{Check: "gradient", Status: OK}
	w, err := newWalker(ctx, t, o)
	if err != nil {
		return v, err
	}
	defer w.engine.Close()
	groups := map[string][]string{}
	for _, name := range w.names {
		groups[group(name)] = append(groups[group(name)], name)
	}
	left := slices.Sorted(maps.Keys(groups))
	var worst slope
	for batch := 0; batch < batches && len(left) > 0; batch++ {
		if err := w.batch(t, uint64(batch)); err != nil {
			return v, err
		}
		var jumping []string
		for _, key := range left {
			s, err := w.worst(key, groups[key])
			switch {
			case err != nil:
				return v, err
			case !s.within() && (s.smooth || batch == batches-1):
				v.Parameter, v.Layer, v.Difference, v.Tolerance = key, layerOf(t, key), Number(s.off), Number(s.allowed)
				return v.failure("%s: along %s, the gradient says that the loss has the slope %.4g, but it has %.4g; %.2g beside is allowed",
					key, s.way, s.told, s.found, s.allowed), nil
			case !s.within():
				jumping = append(jumping, key)
			case s.used() > worst.used() || v.Parameter == "":
				worst, v.Parameter = s, key
			}
		}
		left = jumping
	}
	v.Difference, v.Tolerance = Number(worst.off), Number(worst.allowed)
	v.Detail = fmt.Sprintf("%d parameters: along each gradient and two random directions the loss has the slope that the gradient says; nearest to what is allowed is %s, at %.0f %%",
		len(w.names), v.Parameter, 100*worst.used())
	return v, nil
}

// worst is the slope of some directions that is off most.
func (w *walker) worst(key string, names []string) (slope, error) {
	var worst slope
	for i, d := range []direction{w.along(names), w.scattered(key, 1, names), w.scattered(key, 2, names)} {
		s, err := w.measure(names, d)
		if err != nil {
			return s, err
		}
		if i == 0 || !(s.used() <= worst.used()) {
			worst = s
		}
		if !worst.within() {
			break
		}
	}
	return worst, nil
}

// layerOf is the name of the layer that a parameter belongs to, "" for none.
func layerOf(t *zoo.Trained, param string) string {
	for i := range t.Net.Layers {
		if strings.HasPrefix(param, fmt.Sprintf("layers.%d/", i)) {
			return layerName(t, i)
		}
	}
	return ""
}

// walker computes the loss of one batch at changed parameters.
type walker struct {
	ctx       context.Context
	engine    *train.Engine
	names     []string
	gradients map[string][]float32
	starts    map[string][]float32
}

func newWalker(ctx context.Context, t *zoo.Trained, o Options) (*walker, error) {
	task, err := t.Task()
	if err != nil {
		return nil, err
	}
	sizes := train.Sizes{Batch: 2, Context: longest(t, 16), Accumulate: 1, Memory: o.Memory}
	e, err := train.NewEngine(task, train.Optimizer{}, sizes, t.Device())
	if err != nil {
		return nil, err
	}
	w := &walker{ctx: ctx, engine: e, gradients: map[string][]float32{}, starts: map[string][]float32{}}
	if err := w.begin(t, task); err != nil {
		e.Close()
		return nil, err
	}
	return w, nil
}

// begin puts in the weights.
func (w *walker) begin(t *zoo.Trained, task *train.Task) error {
	for _, p := range task.Train.Params {
		if !p.Frozen {
			w.names = append(w.names, p.Value.Name)
		}
	}
	return w.engine.Initialise(task.Train.Params, func(p *graph.Param, out []float32) error {
		stored := t.Weight(p.Value.Name)
		if stored == nil || stored.DType != graph.Float32 {
			return fmt.Errorf("there is no float32 parameter %s", p.Value.Name)
		}
		copy(out, stored.F32())
		w.starts[p.Value.Name] = stored.F32()
		return nil
	})
}

// batch draws another batch and computes its gradients.
func (w *walker) batch(t *zoo.Trained, seed uint64) error {
	in, targets := w.engine.Batch()
	copy(in, tokens(t, 2*seed+1, len(in)))
	copy(targets, tokens(t, 2*seed+2, len(targets)))
	if _, err := w.loss(); err != nil {
		return err
	}
	for _, name := range w.names {
		x, err := w.engine.Tensor("gradient/" + name)
		if err != nil {
			return err
		}
		w.gradients[name] = x.F32()
	}
	return nil
}

func (w *walker) loss() (float64, error) {
	if err := w.engine.Accumulate(w.ctx, 0, [2]int64{}); err != nil {
		return 0, err
	}
	out := math.NaN()
	w.engine.Report(func(name string, v []float64) {
		if name == "loss" {
			out = v[0]
		}
	})
	return out, nil
}

// direction is a unit vector over the elements of some parameters.
type direction struct {
	name    string
	of      map[string][]float64
	told    float64 // the slope of the loss along it, by the gradient
	typical float64 // how large slopes along such directions are
	allowed float64 // how far from told a slope may be, beside the noise of the loss
}

// along is the direction of the gradient itself.
func (w *walker) along(names []string) direction {
	d := w.direction("the gradient", names, func(g float64) float64 { return g })
	d.allowed = alongTolerance * d.typical
	return d
}

// scattered is a direction drawn for a key. The slope along it is about the gradient's length
// divided by the root of the number of elements: it is measured against that.
func (w *walker) scattered(key string, draw uint64, names []string) direction {
	h := fnv.New64a()
	h.Write([]byte(key))
	rng := rand.New(rand.NewPCG(h.Sum64(), draw))
	d := w.direction("a way drawn at random", names, func(float64) float64 { return rng.NormFloat64() })
	n := 0
	for _, name := range names {
		n += len(w.gradients[name])
	}
	d.typical /= math.Sqrt(float64(n))
	d.allowed = scatteredTolerance * d.typical
	return d
}

// direction is the unit vector of which each element is made of the gradient's.
func (w *walker) direction(what string, names []string, element func(g float64) float64) direction {
	d := direction{name: what, of: map[string][]float64{}, typical: length(names, w.gradients)}
	square := 0.0
	for _, name := range names {
		for _, g := range w.gradients[name] {
			x := element(float64(g))
			d.of[name] = append(d.of[name], x)
			d.told += x * float64(g)
			square += x * x
		}
	}
	scale := 1 / max(math.Sqrt(square), math.SmallestNonzeroFloat32)
	d.told *= scale
	for _, x := range d.of {
		for i := range x {
			x[i] *= scale
		}
	}
	return d
}

// slope is how the loss changes along a direction.
type slope struct {
	way          string  // the direction's name
	told, found  float64 // by the gradient, and measured
	off, allowed float64
	smooth       bool // both sides have the slope that was found: the loss does not jump
}

// within tells whether the slope is near enough; NaN is not.
func (s slope) within() bool { return s.off <= s.allowed }

// used is how much of what is allowed is used.
func (s slope) used() float64 { return s.off / max(s.allowed, math.SmallestNonzeroFloat32) }

// measure walks along a direction and back, and ends where it began.
func (w *walker) measure(names []string, d direction) (slope, error) {
	best := slope{way: d.name, told: d.told, off: math.Inf(1)}
	size := length(names, w.starts)
	here, err := w.at(names, d, 0)
	if err != nil {
		return best, err
	}
	for _, change := range changes {
		way := min(change/max(d.typical, math.SmallestNonzeroFloat32), 0.01*max(size, 1e-3))
		ahead, err := w.at(names, d, way)
		if err != nil {
			return best, err
		}
		behind, err := w.at(names, d, -way)
		if err != nil {
			return best, err
		}
		s := best
		s.allowed = d.allowed + lossNoise/way
		s.smooth = math.Abs(ahead-2*here+behind)/way <= 2*s.allowed
		// Each side alone, too: a jump on the other spoils the middle.
		for _, found := range []float64{(ahead - behind) / (2 * way), (ahead - here) / way, (here - behind) / way} {
			s.found, s.off = found, math.Abs(found-d.told)
			if s.within() && s.used() < best.used() || !best.within() && (s.within() || s.smooth || !best.smooth) {
				best = s
			}
		}
		if 2*best.off <= best.allowed {
			break
		}
	}
	_, err = w.at(names, d, 0)
	return best, err
}

// at is the loss some way along a direction.
func (w *walker) at(names []string, d direction, way float64) (float64, error) {
	for _, name := range names {
		x, err := w.engine.Tensor(name)
		if err != nil {
			return 0, err
		}
		for i, u := range d.of[name] {
			x.F32()[i] = w.starts[name][i] + float32(way*u)
		}
		if err := w.engine.SetTensor(name, x); err != nil {
			return 0, err
		}
	}
	return w.loss()
}

// length is that of some tensors as one vector.
func length(names []string, of map[string][]float32) float64 {
	sum := 0.0
	for _, name := range names {
		for _, x := range of[name] {
			sum += float64(x) * float64(x)
		}
	}
	return math.Sqrt(sum)
}

// Awake alters first values so that every parameter has an effect, which much has not when
// training begins: noise on everything, and larger steps of the scans.
func Awake(p *graph.Param, values []float32) {
	shape, _ := p.Value.Shape().Ints()
	scale := 0.3
	if len(shape) > 1 {
		scale = 1 / math.Sqrt(float64(shape[len(shape)-2]))
	}
	rng := rand.New(rand.NewPCG(uint64(len(p.Value.Name)), uint64(len(values))))
	for i := range values {
		values[i] += float32(scale * rng.NormFloat64())
		if strings.HasSuffix(p.Value.Name, "dt_proj.bias") || strings.HasSuffix(p.Value.Name, "dt_bias") {
			values[i] += 3
		}
	}
}

package zoo_test

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/graph"
	engine "github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/zoo"
)

var initZero = graph.Init{Scheme: "zeros"}

// TestGradientsOfEveryArchitecture walks along the gradient of every parameter alone.
func TestGradientsOfEveryArchitecture(t *testing.T) {
	for _, name := range debugRecipes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gradientsHold(t, build(t, name), func(param string) string { return param })
		})
	}
}

// gradientsHold walks each group of parameters a little along its own gradient g and back:
// the loss must change by |g| times the way, which any wrong element spoils. The float32
// loss is good to some 1e-6, so models are woken first, from a start at which much has next
// to no effect. A way on which a token changes its expert proves nothing, so a few are
// tried, and each direction alone.
func gradientsHold(t *testing.T, m *zoo.Model, group func(param string) string) {
	t.Helper()
	task, err := m.Task()
	if err != nil {
		t.Fatal(err)
	}
	d := cpu.New(1)
	defer d.Close()
	e, err := engine.NewEngine(task, engine.Optimizer{}, engine.Sizes{Batch: 2, Context: 16, Accumulate: 1}, d)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Initialise(task.Train.Params, awake(task.Init)); err != nil {
		t.Fatal(err)
	}
	in, targets := e.Batch()
	for i := range in {
		in[i], targets[i] = ids(32)[i], ids(33)[i+1]
	}
	loss := func() float64 {
		if err := e.Accumulate(context.Background(), 0, [2]int64{}); err != nil {
			t.Fatal(err)
		}
		out := math.NaN()
		e.Report(func(name string, v []float64) {
			if name == "loss" {
				out = v[0]
			}
		})
		return out
	}
	loss()
	tensor := func(name string) []float32 {
		x, err := e.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		return x.F32()
	}
	groups, gradients, starts := map[string][]string{}, map[string][]float32{}, map[string][]float32{}
	for _, p := range task.Train.Params {
		if name := p.Value.Name; !p.Frozen {
			groups[group(name)] = append(groups[group(name)], name)
			gradients[name], starts[name] = tensor("gradient/"+name), tensor(name)
		}
	}
	length := func(names []string, of map[string][]float32) float64 {
		sum := 0.0
		for _, name := range names {
			for _, x := range of[name] {
				sum += float64(x) * float64(x)
			}
		}
		return math.Sqrt(sum)
	}
	for key, names := range groups {
		long, size := length(names, gradients), length(names, starts)
		at := func(way float64) float64 {
			for _, name := range names {
				w, _ := e.Tensor(name)
				for i, x := range gradients[name] {
					w.F32()[i] = starts[name][i] + float32(way*float64(x)/long)
				}
				if err := e.SetTensor(name, w); err != nil {
					t.Fatal(err)
				}
			}
			return loss()
		}
		best, allowed, here := math.Inf(1), 0.0, at(0)
		for _, change := range []float64{3e-3, 1e-3, 3e-4, 1e-4} { // of the loss
			way := min(change/long, 0.01*size)
			ahead, behind := at(way), at(-way)
			for _, slope := range []float64{(ahead - behind) / (2 * way), (ahead - here) / way, (here - behind) / way} {
				off, noise := math.Abs(slope-long), 0.01*long+3e-6/way
				if off-noise < best-allowed {
					best, allowed = off, noise
				}
			}
			if best <= allowed {
				break
			}
		}
		at(0)
		if best > allowed {
			t.Errorf("%s: the gradient is %.3g long, but the loss changes by %.2g more or less than that", key, long, best)
		}
	}
}

// awake is a start from which every parameter has an effect: larger steps of the scans,
// and noise on everything.
func awake(init func(p *graph.Param, out []float32) error) func(p *graph.Param, out []float32) error {
	return func(p *graph.Param, out []float32) error {
		if err := init(p, out); err != nil {
			return err
		}
		shape, _ := p.Value.Shape().Ints()
		scale := 0.3
		if len(shape) > 1 {
			scale = 1 / math.Sqrt(float64(shape[len(shape)-2]))
		}
		rng := rand.New(rand.NewPCG(uint64(len(p.Value.Name)), uint64(len(out))))
		for i := range out {
			out[i] += float32(scale * rng.NormFloat64())
			if strings.HasSuffix(p.Value.Name, "dt_proj.bias") || strings.HasSuffix(p.Value.Name, "dt_bias") {
				out[i] += 3
			}
		}
		return nil
	}
}

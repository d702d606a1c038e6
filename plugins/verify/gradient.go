package verify

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/autodiff"
	"github.com/moezoo/moezoo/plugins"
)

// slope compares a gradient with differences: a weighed sum of all float outputs of the
// training form, whose derivatives with respect to x and each parameter are those of the
// graph that is trained.
type slope struct {
	s       *subject
	in      tensors
	seeds   tensors // a weight for every element of every float output
	grads   tensors // by input; absent where there is none
	choices []byte  // of experts or tokens, which a step must not change
}

// gradients walks a little along the gradient of each input and back: the sum must change by
// the gradient's length times the way, which any wrong element spoils.
func gradients(ctx context.Context, s *subject) (string, error) {
	var none, jumps []string
	agreed := 0
	for _, name := range floatInputs(s.f) {
		proven := false
		for try := uint64(0); try < 4 && !proven; try++ { // a way on which a choice changes proves nothing
			l, err := newSlope(ctx, s, try)
			if err != nil {
				return "", err
			}
			if l.grads[name] == nil && try == 0 {
				none = append(none, name)
			}
			if proven, err = l.holds(ctx, name); err != nil {
				return "", err
			}
		}
		if proven {
			agreed++
		} else {
			jumps = append(jumps, name)
		}
	}
	detail := fmt.Sprintf("of %d inputs and parameters, to 1%%", agreed)
	if len(none) > 0 {
		detail += "; nothing depends smoothly on " + strings.Join(none, ", ")
	}
	if len(jumps) > 0 {
		detail += "; every step changes the choice of experts for " + strings.Join(jumps, ", ")
	}
	return detail, nil
}

// floatInputs are x and the parameters.
func floatInputs(f *plugins.Function) []string {
	names := []string{"x"}
	for _, p := range f.Params {
		names = append(names, p.Name)
	}
	return names
}

func newSlope(ctx context.Context, s *subject, try uint64) (*slope, error) {
	f, err := s.stored.Function() // a copy, to which gradients are added
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(9, try))
	l := &slope{s: s, seeds: tensors{}, grads: tensors{}}
	if l.in, err = drawn(rng, f, f.Train, s.dims, 5); err != nil {
		return nil, err
	}
	out, err := evaluate(ctx, s.device, s.f.Train, l.in)
	if err != nil {
		return nil, err
	}
	l.choices = choices(s.f.Train, out)
	g := f.Train
	all := maps.Clone(l.in)
	var losses, seeds, wrt []*graph.Value
	for _, v := range g.Outputs {
		if v.Type.DType != graph.Float32 {
			continue
		}
		seed := g.Input("seed/"+v.Name, graph.Float32, v.Shape())
		t := backend.NewTensor(graph.Float32, out[v.Name].Shape...)
		for i := range t.F32() {
			t.F32()[i] = float32(rng.NormFloat64())
		}
		all[seed.Name], l.seeds[v.Name] = t, t
		losses, seeds = append(losses, v), append(seeds, seed)
	}
	names := floatInputs(f)
	for _, name := range names {
		for _, v := range g.Inputs {
			if v.Name == name {
				wrt = append(wrt, v)
			}
		}
	}
	grads, err := autodiff.Gradients(g, losses, seeds, wrt)
	if err != nil {
		return nil, err
	}
	g.Outputs = nil
	var of []string
	for i, v := range grads {
		if v != nil {
			g.Outputs, of = append(g.Outputs, v), append(of, names[i])
		}
	}
	values, err := evaluate(ctx, s.device, g, all)
	if err != nil {
		return nil, err
	}
	for i, name := range of {
		l.grads[name] = values[g.Outputs[i].Name]
	}
	return l, nil
}

// choices are the outputs that jump.
func choices(g *graph.Graph, out tensors) []byte {
	var all []byte
	for _, v := range g.Outputs {
		if v.Type.DType != graph.Float32 {
			all = append(all, out[v.Name].Data...)
		}
	}
	return all
}

// at is the weighed sum with an input moved along a direction, how large its parts are, and
// whether the choices are still the same.
func (l *slope) at(ctx context.Context, name string, direction []float64, way float64) (sum, size float64, same bool, err error) {
	in := maps.Clone(l.in)
	moved := backend.NewTensor(graph.Float32, l.in[name].Shape...)
	for i, x := range l.in[name].F32() {
		moved.F32()[i] = x + float32(way*direction[i])
	}
	in[name] = moved
	out, err := evaluate(ctx, l.s.device, l.s.f.Train, in)
	if err != nil {
		return 0, 0, false, err
	}
	for name, seed := range l.seeds {
		for i, w := range seed.F32() {
			part := float64(w) * float64(out[name].F32()[i])
			sum, size = sum+part, size+math.Abs(part)
		}
	}
	return sum, size, bytes.Equal(choices(l.s.f.Train, out), l.choices), nil
}

// holds reports whether differences agree with an input's gradient; false without an error
// says that no step leaves the choices as they are.
func (l *slope) holds(ctx context.Context, name string) (bool, error) {
	direction, long := make([]float64, l.in[name].Elements()), 0.0
	if g := l.grads[name]; g != nil {
		for i, x := range g.F32() {
			direction[i] = float64(x)
			long += direction[i] * direction[i]
		}
		long = math.Sqrt(long)
	}
	if math.IsNaN(long) || math.IsInf(long, 0) {
		return false, fmt.Errorf("the gradient of %s is not finite", name)
	}
	norm := long
	if long == 0 { // then nothing may change in any direction
		rng := rand.New(rand.NewPCG(10, 0))
		for i := range direction {
			direction[i] = rng.NormFloat64()
		}
		norm = math.Sqrt(float64(len(direction)))
	}
	for i := range direction {
		direction[i] /= norm
	}
	best, off, found := math.Inf(1), 0.0, false
	for _, way := range []float64{1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4} {
		ahead, size, same, err := l.at(ctx, name, direction, way)
		if err != nil {
			return false, err
		}
		behind, _, also, err := l.at(ctx, name, direction, -way)
		if err != nil {
			return false, err
		}
		if !same || !also {
			continue
		}
		found = true
		if math.IsNaN(ahead+behind) || math.IsInf(size, 0) {
			return false, fmt.Errorf("results are not finite near the inputs that were drawn")
		}
		d := math.Abs((ahead-behind)/(2*way) - long)
		if excess := d - 0.01*long - 5e-7*(1+size)/way; excess < best { // float32 sums are good to some 1e-7
			best, off = excess, d
		}
		if best <= 0 {
			return true, nil
		}
	}
	if found {
		return false, fmt.Errorf("the gradient of %s is %.3g long, but differences are off by %.2g", name, long, off)
	}
	return false, nil
}

package verify

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/backend/eval"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/plugins"
)

// tensors are values by name.
type tensors map[string]*backend.Tensor

// evaluate runs a function.
func evaluate(ctx context.Context, d *cpu.Device, g *graph.Graph, in tensors) (tensors, error) {
	values, err := eval.New(g, d, eval.Limits{Elements: 1 << 24}).Run(ctx, in)
	if err != nil {
		return nil, err
	}
	out := tensors{}
	for i, v := range g.Outputs {
		out[v.Name] = values[i]
	}
	return out, nil
}

// drawn are random inputs for a number of tokens: numbers of the normal distribution, ids of
// the vocabulary, positions from 0 on, a random key, and states as they begin.
func drawn(rng *rand.Rand, f *plugins.Function, g *graph.Graph, dims map[string]int64, count int) (tensors, error) {
	in := tensors{}
	for _, v := range g.Inputs {
		shape, ok := v.Shape().Bind(map[string]int64{"T": int64(count)}).Ints()
		if !ok {
			return nil, fmt.Errorf("input %v has an unknown size", v)
		}
		t := backend.NewTensor(v.Type.DType, shape...)
		switch {
		case v.Name == "positions":
			for i := range t.I64() {
				t.I64()[i] = int64(i)
			}
		case v.Name == "rng":
			for i := range t.I64() {
				t.I64()[i] = rng.Int64N(1 << 31)
			}
		case v.Type.DType == graph.Int64:
			for i := range t.I64() {
				t.I64()[i] = rng.Int64N(max(dims["vocabulary"], 1))
			}
		default:
			for i := range t.F32() {
				t.F32()[i] = float32(rng.NormFloat64())
			}
		}
		in[v.Name] = t
	}
	for _, s := range f.States {
		for i := range in[s.Name].F32() {
			in[s.Name].F32()[i] = s.Fill
		}
	}
	return in, nil
}

// perToken are the names of the inputs that have a row for every token and tell of it.
var perToken = []string{"x", "token_ids"}

// redrawn is in with the tokens from one on drawn anew.
func redrawn(rng *rand.Rand, f *plugins.Function, g *graph.Graph, dims map[string]int64, in tensors, from int) (tensors, error) {
	count := in["x"].Shape[0]
	other, err := drawn(rng, f, g, dims, count)
	if err != nil {
		return nil, err
	}
	out := maps.Clone(in)
	for _, name := range perToken {
		t := in[name]
		if t == nil {
			continue
		}
		row := len(t.Data) / count
		changed := backend.NewTensor(t.DType, t.Shape...)
		copy(changed.Data, t.Data[:from*row])
		copy(changed.Data[from*row:], other[name].Data[from*row:])
		out[name] = changed
	}
	return out, nil
}

// rows is in with count tokens only, from one on, at their positions.
func rows(in tensors, from, count int) tensors {
	out := maps.Clone(in)
	all := in["x"].Shape[0]
	for _, name := range append([]string{"positions"}, perToken...) {
		t := in[name]
		if t == nil {
			continue
		}
		row := len(t.Data) / all
		shape := append([]int{count}, t.Shape[1:]...)
		out[name] = backend.NewTensor(t.DType, shape...)
		copy(out[name].Data, t.Data[from*row:(from+count)*row])
	}
	return out
}

package verify

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/plugins"
)

// inRange runs every form on few and many tokens: numbers are finite, and experts and tokens
// are such that there are.
func inRange(ctx context.Context, s *subject) (string, error) {
	for _, f := range s.forms {
		for _, n := range []int{1, 2, 7, 64} {
			in, err := drawn(rand.New(rand.NewPCG(5, uint64(n))), s.f, f.g, s.dims, n)
			if err != nil {
				return "", err
			}
			out, err := evaluate(ctx, s.device, f.g, in)
			if err == nil {
				err = s.wellFormed(f, out, n)
			}
			if err != nil {
				return "", s.in(f, fmt.Errorf("of %d tokens: %w", n, err))
			}
		}
	}
	return "1, 2, 7 and 64 tokens", nil
}

func (s *subject) wellFormed(f form, out tensors, tokens int) error {
	for _, v := range f.g.Outputs {
		if v.Type.DType != graph.Float32 {
			continue
		}
		for i, x := range out[v.Name].F32() {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return fmt.Errorf("output %s[%d] is %v", v.Name, i, x)
			}
		}
	}
	if !s.router() || s.f.Routing.Kind == plugins.Mix {
		return nil
	}
	limit, what := int(s.dims["experts"]), "expert"
	if s.f.Routing.Kind == plugins.Claim {
		limit, what = tokens, "token"
	}
	lowest := int64(0)
	if f.g == s.f.Train {
		lowest = -1 // dropped
	}
	for i, e := range out[s.f.Routing.First].I64() {
		if e < lowest || e >= int64(limit) {
			return fmt.Errorf("output %s[%d] is %s %d of %d", s.f.Routing.First, i, what, e, limit)
		}
	}
	return nil
}

// sameBits runs every form twice on one thread, and on four.
func sameBits(ctx context.Context, s *subject) (string, error) {
	four := cpu.New(4)
	defer four.Close()
	for _, f := range s.forms {
		in, err := drawn(rand.New(rand.NewPCG(6, 0)), s.f, f.g, s.dims, 500)
		if err != nil {
			return "", err
		}
		var first tensors
		for i, d := range []*cpu.Device{s.device, s.device, four} {
			out, err := evaluate(ctx, d, f.g, in)
			if err != nil {
				return "", s.in(f, err)
			}
			if i == 0 {
				first = out
			}
			for name, t := range out {
				if !bytes.Equal(t.Data, first[name].Data) {
					return "", s.in(f, fmt.Errorf("output %s differs from run to run", name))
				}
			}
		}
	}
	return "", nil
}

// alone runs the inference form on all tokens and on each alone, as a decoder does.
func alone(ctx context.Context, s *subject) (string, error) {
	if s.router() && (s.f.Routing.Kind != plugins.Assign || !s.f.Capabilities.Causal) {
		return "", skip("it looks at all tokens, and so has no step by step form")
	}
	const n = 7
	in, err := drawn(rand.New(rand.NewPCG(7, 0)), s.f, s.f.Infer, s.dims, n)
	if err != nil {
		return "", err
	}
	names := []string{"y"}
	if s.router() {
		names = []string{s.f.Routing.First, s.f.Routing.Second}
	}
	whole, err := evaluate(ctx, s.device, s.f.Infer, in)
	if err != nil {
		return "", err
	}
	for t := range n {
		one, err := evaluate(ctx, s.device, s.f.Infer, rows(in, t, 1))
		if err != nil {
			return "", fmt.Errorf("of one token: %w", err)
		}
		for _, name := range names {
			row := len(whole[name].Data) / n
			part := &backend.Tensor{DType: whole[name].DType, Shape: one[name].Shape, Data: whole[name].Data[t*row : (t+1)*row]}
			if err := equal(name, one[name], part); err != nil {
				return "", fmt.Errorf("token %d: alone, %w in its sequence", t, err)
			}
		}
	}
	return fmt.Sprintf("%d tokens, to 1e-5", n), nil
}

// equal compares integers, and floats to 1e-5 of their size: what is added in another order
// by another runtime differs by some 1e-7.
func equal(name string, got, want *backend.Tensor) error {
	if got == nil || got.DType != want.DType || !slices.Equal(got.Shape, want.Shape) {
		return fmt.Errorf("output %s has another type or shape than", name)
	}
	if want.DType == graph.Int64 {
		for i, x := range want.I64() {
			if got.I64()[i] != x {
				return fmt.Errorf("output %s[%d] is %d, but %d", name, i, got.I64()[i], x)
			}
		}
		return nil
	}
	for i, x := range want.F32() {
		y := got.F32()[i]
		both := x == y || x != x && y != y // also what is not finite, which inRange reports
		if d := math.Abs(float64(y) - float64(x)); !both && !(d <= 1e-5*(1+math.Abs(float64(x)))) {
			return fmt.Errorf("output %s[%d] is %v, but %v", name, i, y, x)
		}
	}
	return nil
}

// permuted turns the order of experts around in every parameter and state: each token must get
// the same experts under their new numbers. In that order, groups of neighbours stay groups.
func permuted(ctx context.Context, s *subject) (string, error) {
	if !s.router() {
		return "", skip("an expert knows nothing of others")
	}
	experts := int(s.dims["experts"])
	for _, n := range s.f.Infer.Nodes {
		for _, v := range n.Inputs {
			if v != nil && v.Data() != nil && v.Type.DType == graph.Float32 && slices.Contains(v.Data().Shape, experts) {
				return "", skip("it holds constants of its own for each expert")
			}
		}
	}
	in, err := drawn(rand.New(rand.NewPCG(8, 0)), s.f, s.f.Infer, s.dims, 9)
	if err != nil {
		return "", err
	}
	turned, found := tensors{}, false
	for name, t := range in {
		turned[name] = t
		if slices.ContainsFunc(s.f.Params, func(p plugins.FunctionParam) bool { return p.Name == name }) ||
			slices.ContainsFunc(s.f.States, func(p plugins.FunctionState) bool { return p.Name == name }) {
			for axis, extent := range t.Shape {
				if extent == experts {
					turned[name], found = reversed(turned[name], axis), true
				}
			}
		}
	}
	if !found {
		return "", skip("no parameter has an axis of experts")
	}
	before, err := evaluate(ctx, s.device, s.f.Infer, in)
	if err != nil {
		return "", err
	}
	after, err := evaluate(ctx, s.device, s.f.Infer, turned)
	if err != nil {
		return "", err
	}
	if err := s.turnedAround(before, after, experts); err != nil {
		return "", fmt.Errorf("with the experts' parameters in the opposite order, %w; it must treat all experts alike", err)
	}
	return "", nil
}

// turnedAround compares a routing with that of experts in the opposite order.
func (s *subject) turnedAround(before, after tensors, experts int) error {
	first, second := s.f.Routing.First, s.f.Routing.Second
	switch s.f.Routing.Kind {
	case plugins.Assign:
		e := after[first].I64()
		for i := range e {
			e[i] = int64(experts) - 1 - e[i]
		}
	case plugins.Claim:
		after[first], after[second] = reversed(after[first], 0), reversed(after[second], 0)
	case plugins.Mix:
		if before[first].Shape[0] != experts {
			return skip("an expert has several slots")
		}
		after[first], after[second] = reversed(after[first], 0), reversed(after[second], 1)
	}
	if err := equal(first, after[first], before[first]); err != nil {
		return err
	}
	return equal(second, after[second], before[second])
}

// reversed is a tensor with one axis in the opposite order.
func reversed(t *backend.Tensor, axis int) *backend.Tensor {
	out := backend.NewTensor(t.DType, t.Shape...)
	inner := t.DType.Size()
	for _, n := range t.Shape[axis+1:] {
		inner *= n
	}
	extent := t.Shape[axis]
	for at := 0; at < len(t.Data); at += extent * inner {
		for i := range extent {
			copy(out.Data[at+i*inner:at+(i+1)*inner], t.Data[at+(extent-1-i)*inner:at+(extent-i)*inner])
		}
	}
	return out
}

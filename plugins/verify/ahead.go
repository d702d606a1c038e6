package verify

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/plugins"
)

// lookouts are the numbers of tokens that are looked at, and of those kept when the others
// change. Few tokens count, too: what depends on whether any token does something seldom
// changes where there are many.
var lookouts = []struct{ tokens, kept int }{{2, 1}, {3, 2}, {4, 1}, {6, 4}, {12, 6}}

// LooksAhead runs one of a router's or expert's functions on a few random tokens, then on the
// same ones with the later ones changed, several times, and answers the first token for which
// the outcome changes by a bit, -1 for none.
func LooksAhead(ctx context.Context, f *plugins.Function, g *graph.Graph, dims map[string]int64) (token int, err error) {
	d := cpu.New(1)
	defer d.Close()
	for _, l := range lookouts {
		outcome := func(in tensors) ([]string, error) {
			out, err := evaluate(ctx, d, g, in)
			if err != nil {
				return nil, err
			}
			if f.Kind == plugins.ExpertKind {
				return perRow(l.tokens, l.kept, out["y"]), nil
			}
			return routing(f, out[f.Routing.First], out[f.Routing.Second], in["x"], int(dims["experts"]), l.kept), nil
		}
		if token, err := changes(f, g, dims, l.tokens, l.kept, outcome); err != nil || token >= 0 {
			return token, err
		}
	}
	return -1, nil
}

// changes is the first of the kept tokens for which the outcome changes with the others.
func changes(f *plugins.Function, g *graph.Graph, dims map[string]int64, tokens, kept int, outcome func(tensors) ([]string, error)) (token int, err error) {
	rng := rand.New(rand.NewPCG(3, 4))
	in, err := drawn(rng, f, g, dims, tokens)
	if err != nil {
		return -1, err
	}
	before, err := outcome(in)
	if err != nil {
		return -1, err
	}
	for range 8 { // one change alone may happen to leave all choices as they are
		if in, err = redrawn(rng, f, g, dims, in, kept); err != nil {
			return -1, err
		}
		after, err := outcome(in)
		if err != nil {
			return -1, err
		}
		for token := range before {
			if before[token] != after[token] {
				return token, nil
			}
		}
	}
	return -1, nil
}

// perRow is what values hold for each of the first tokens.
func perRow(tokens, kept int, values ...*backend.Tensor) []string {
	out := make([]string, kept)
	for _, v := range values {
		row := len(v.Data) / tokens
		for t := range kept {
			out[t] += string(v.Data[t*row : (t+1)*row])
		}
	}
	return out
}

// routing is what each of the first tokens gets: its experts and weights, those of the experts
// that claimed it, or what comes back to it from slots that compute tanh.
func routing(f *plugins.Function, first, second, x *backend.Tensor, experts, kept int) []string {
	tokens := x.Shape[0]
	out := make([]string, kept)
	switch f.Routing.Kind {
	case plugins.Claim:
		weights := make([]float32, tokens*experts)
		claimed := len(first.I64()) / experts
		for i, t := range first.I64() {
			if t >= 0 && int(t) < tokens {
				weights[int(t)*experts+i/claimed] = second.F32()[i]
			}
		}
		for t := range kept {
			out[t] = fmt.Sprint(weights[t*experts : (t+1)*experts])
		}
	case plugins.Mix:
		slots, width := first.Shape[0], x.Shape[1]
		y := make([]float64, kept*width)
		for s := range slots {
			for j := range width {
				in := 0.0
				for t := range tokens {
					in += float64(first.F32()[s*tokens+t]) * float64(x.F32()[t*width+j])
				}
				for t := range kept {
					y[t*width+j] += float64(second.F32()[t*slots+s]) * math.Tanh(in)
				}
			}
		}
		for t := range kept {
			out[t] = fmt.Sprint(y[t*width : (t+1)*width])
		}
	default:
		return perRow(tokens, kept, first, second)
	}
	return out
}

// causal holds a variant to what it declares. An expert must know of no other token at all,
// which is the same question: positions mean nothing to it.
func causal(ctx context.Context, s *subject) (string, error) {
	for _, f := range s.forms {
		token, err := LooksAhead(ctx, s.f, f.g, s.dims)
		ahead := token >= 0
		switch {
		case err != nil:
			return "", s.in(f, err)
		case ahead && !s.router():
			return "", fmt.Errorf("what token %d gets changes with later tokens, and an expert must look at each alone", token)
		case ahead && s.f.Capabilities.Causal:
			return "", s.in(f, fmt.Errorf("it says that it is causal, but the routing of token %d changes with later tokens", token))
		case ahead:
			return "it says that it looks at later tokens, and does: models must allow it by allow_future: true", nil
		}
	}
	if !s.f.Capabilities.Causal {
		return "it says that it looks at later tokens, but was not seen to: it may be able to say that it is causal", nil
	}
	return "", nil
}

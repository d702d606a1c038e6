package zoo

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/backend/eval"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/plugins"
)

// checkCausal tests a router that says it is causal, in both of its forms.
func checkCausal(ctx context.Context, f *plugins.Function, dims map[string]int64) error {
	for _, fn := range []*graph.Graph{f.Train, f.Infer} {
		token, err := looksAhead(ctx, f, fn, dims)
		if err != nil {
			return err
		}
		if token >= 0 {
			return fmt.Errorf("it says that it is causal, but the routing of token %d changes with later tokens", token)
		}
	}
	return nil
}

// LooksAhead names a router whose inference form looks at later tokens: such a model has no
// step by step form. It is "" for causal models, and for those that look ahead only while
// they train.
func (m *Model) LooksAhead(ctx context.Context) (string, error) {
	for _, s := range m.Functions {
		if s.Variant.Kind != plugins.RouterKind || s.Variant.Capabilities.Causal {
			continue
		}
		f, err := s.Function()
		if err != nil {
			return "", err
		}
		if token, err := looksAhead(ctx, f, f.Infer, s.Dims); err != nil || token >= 0 {
			return s.Provider + "/" + s.Variant.Name, err
		}
	}
	return "", nil
}

// lookouts are the numbers of tokens that are routed, and of those kept when the others change.
// Few tokens count, too: what depends on whether any token does something seldom changes where
// there are many.
var lookouts = []struct{ tokens, kept int }{{2, 1}, {3, 2}, {4, 1}, {6, 4}, {12, 6}}

// looksAhead routes a few random tokens, then the same ones with the later ones changed
// several times, and answers the first token whose routing changes by a bit, -1 for none.
func looksAhead(ctx context.Context, f *plugins.Function, fn *graph.Graph, dims map[string]int64) (token int, err error) {
	d := cpu.New(1)
	defer d.Close()
	e := eval.New(fn, d, eval.Limits{Elements: 1 << 24})
	for _, l := range lookouts {
		if token, err := looksAheadOf(ctx, f, fn, e, l.tokens, l.kept, dims); err != nil || token >= 0 {
			return token, err
		}
	}
	return -1, nil
}

func looksAheadOf(ctx context.Context, f *plugins.Function, fn *graph.Graph, e *eval.Evaluator, tokens, kept int, dims map[string]int64) (token int, err error) {
	rng := rand.New(rand.NewPCG(3, 4))
	in := map[string]*backend.Tensor{}
	for _, v := range fn.Inputs {
		shape, ok := v.Shape().Bind(map[string]int64{"T": int64(tokens)}).Ints()
		if !ok {
			return -1, fmt.Errorf("input %v has an unknown size", v)
		}
		in[v.Name] = randomTensor(rng, v, shape, dims)
	}
	outcome := func() ([]string, error) {
		out, err := e.Run(ctx, in)
		if err != nil {
			return nil, err
		}
		named := map[string]*backend.Tensor{}
		for i, v := range fn.Outputs {
			named[v.Name] = out[i]
		}
		return routing(f, named[f.Routing.First], named[f.Routing.Second], in["x"], int(dims["experts"]), kept), nil
	}
	before, err := outcome()
	if err != nil {
		return -1, err
	}
	for range 8 { // one change alone may happen to leave all choices as they are
		for _, name := range []string{"x", "token_ids"} {
			if t := in[name]; t != nil {
				row := len(t.Data) / tokens
				other := randomTensor(rng, fn.Inputs[0], t.Shape, dims)
				if name == "token_ids" {
					other = randomInts(rng, t.Shape, dims["vocabulary"])
				}
				copy(t.Data[kept*row:], other.Data[kept*row:])
			}
		}
		after, err := outcome()
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
		a, b := len(first.Data)/tokens, len(second.Data)/tokens
		for t := range kept {
			out[t] = string(first.Data[t*a:(t+1)*a]) + string(second.Data[t*b:(t+1)*b])
		}
	}
	return out
}

func randomTensor(rng *rand.Rand, v *graph.Value, shape []int, dims map[string]int64) *backend.Tensor {
	if v.Type.DType == graph.Int64 {
		return randomInts(rng, shape, dims["vocabulary"])
	}
	t := backend.NewTensor(graph.Float32, shape...)
	for i := range t.F32() {
		t.F32()[i] = float32(rng.NormFloat64())
	}
	return t
}

func randomInts(rng *rand.Rand, shape []int, below int64) *backend.Tensor {
	t := backend.NewTensor(graph.Int64, shape...)
	for i := range t.I64() {
		t.I64()[i] = rng.Int64N(max(below, 1))
	}
	return t
}

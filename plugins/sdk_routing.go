package plugins

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/onnx"
	"github.com/moezoo/moezoo/plugins/wire"
)

// Routing is what a router answers, in one of three forms. T tokens, E experts.
type Routing struct {
	// Assign gives every token k experts: Expert int64 [T, k] and Weight [T, k]. While
	// training, an expert may be −1: that assignment is dropped.
	Expert, Weight Value
	// Claim gives every expert C tokens: Token int64 [E, C], and Weight [E, C].
	Token Value
	// Mix gives expert e the slots e·S/E … (e+1)·S/E−1, each a mixture of tokens, Dispatch
	// [S, T], and every token a mixture of the slots' results, Combine [T, S].
	Dispatch, Combine Value

	losses  []sdkLoss
	metrics []namedValue
	tokens  []namedValue
	updates []sdkUpdate
}

type sdkLoss struct {
	namedValue
	weight float64
}

type namedValue struct {
	name string
	v    Value
}

// Update says how a state changes once per optimiser step.
type Update func(g *graph.Graph, state, accumulated Value) Value

type sdkUpdate struct {
	namedValue // the state's name, and what is summed over the step
	update     Update
}

// Loss adds an auxiliary loss, a scalar, times weight.
func (r Routing) Loss(name string, weight float64, v Value) Routing {
	r.losses = append(r.losses[:len(r.losses):len(r.losses)], sdkLoss{namedValue{name, v}, weight})
	return r
}

// Metric reports a scalar while training.
func (r Routing) Metric(name string, v Value) Routing {
	r.metrics = append(r.metrics[:len(r.metrics):len(r.metrics)], namedValue{name, v})
	return r
}

// PerToken shows the model a value per token, such as "probabilities" [T, E].
func (r Routing) PerToken(name string, v Value) Routing {
	r.tokens = append(r.tokens[:len(r.tokens):len(r.tokens)], namedValue{name, v})
	return r
}

// Update changes the state of that name once per optimiser step: v, of the state's shape, is
// summed over all tokens of the step, and the new state is update(state, sum).
func (r Routing) Update(state string, v Value, update Update) Routing {
	r.updates = append(r.updates[:len(r.updates):len(r.updates)], sdkUpdate{namedValue{state, v}, update})
	return r
}

// output makes outputs of the routing itself.
func (r Routing) output(b *Builder, resp *wire.BuildResponse) {
	switch {
	case r.Token != nil:
		resp.Routing = &wire.BuildResponse_Claim{Claim: &wire.Claim{Token: "token", Weight: "weight"}}
		b.output("token", r.Token)
		b.output("weight", r.Weight)
	case r.Dispatch != nil:
		resp.Routing = &wire.BuildResponse_Mix{Mix: &wire.Mix{Dispatch: "dispatch", Combine: "combine"}}
		b.output("dispatch", r.Dispatch)
		b.output("combine", r.Combine)
	default:
		resp.Routing = &wire.BuildResponse_Assign{Assign: &wire.Assign{Expert: "expert", Weight: "weight"}}
		b.output("expert", r.Expert)
		b.output("weight", r.Weight)
	}
}

func (r Router[C]) build(req *wire.BuildRequest) (*wire.BuildResponse, error) {
	c, d, err := begin(req, r.Default)
	if err != nil {
		return nil, err
	}
	if d.Experts < 1 || d.TopK < 1 || d.TopK > d.Experts {
		return nil, fmt.Errorf("top_k = %d of %d experts: want 1 to the number of experts", d.TopK, d.Experts)
	}
	resp := &wire.BuildResponse{}
	for _, training := range []bool{true, false} {
		b, x := newBuilder(r.Name, training, r.Capabilities, d)
		out := r.Route(b, x, c, d)
		out.output(b, resp)
		losses, metrics, tokens := b.name(out)
		states, err := b.update(out)
		if err != nil {
			return nil, err
		}
		bytes, err := b.encode(r.Name)
		if err != nil {
			return nil, err
		}
		if training {
			resp.Train, resp.Params, resp.States, resp.Losses, resp.Metrics, resp.TokenOutputs = bytes, b.params, states, losses, metrics, tokens
			resp.Diagnostics = b.warnings
		} else if string(bytes) != string(resp.Train) {
			resp.Infer = bytes
		}
	}
	return resp, nil
}

// name makes outputs of losses, metrics and values per token.
func (b *Builder) name(r Routing) (losses []*wire.AuxLoss, metrics []*wire.Metric, tokens []*wire.TokenOutput) {
	for _, l := range r.losses {
		out := "loss_" + l.name
		b.output(out, l.v)
		losses = append(losses, &wire.AuxLoss{Name: l.name, Output: out, Weight: l.weight})
	}
	for _, m := range r.metrics {
		out := "metric_" + m.name
		b.output(out, m.v)
		metrics = append(metrics, &wire.Metric{Name: m.name, Output: out})
	}
	for _, t := range r.tokens {
		out := "token_" + t.name
		b.output(out, t.v)
		tokens = append(tokens, &wire.TokenOutput{Name: t.name, Output: out})
	}
	return losses, metrics, tokens
}

// update makes outputs of what states gather, and functions of how they change.
func (b *Builder) update(r Routing) ([]*wire.State, error) {
	for _, s := range b.states {
		name := s.Tensor.Name
		for _, u := range r.updates {
			if u.name != name {
				continue
			}
			s.AccumulateOutput = "gather_" + name
			b.output(s.AccumulateOutput, u.v)
			g := graph.New(name)
			shape := graph.Dims(s.Tensor.Dims...)
			y := u.update(g, g.Input("state", graph.Float32, shape), g.Input("accumulated", graph.Float32, shape))
			g.Output(y)
			g.Prune()
			var err error
			if s.Update, err = onnx.EncodeFunction(g, "zoo.plugin", name); err != nil {
				return nil, fmt.Errorf("update of state %s: %w", name, err)
			}
		}
		if s.Update == nil {
			return nil, fmt.Errorf("state %s is never updated", name)
		}
	}
	return b.states, nil
}

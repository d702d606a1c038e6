package builtin_test

import (
	"context"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/plugins/plugintest"
)

// odd makes a router whose answer breaks a rule of its form of routing.
func odd(name string, stateful bool, route func(b *plugins.Builder, logits plugins.Value, d plugins.Dims) plugins.Routing) plugins.Router[struct{}] {
	return plugins.Router[struct{}]{
		Name: name, Doc: "breaks a rule", Capabilities: plugins.Capabilities{Stateful: stateful},
		Route: func(b *plugins.Builder, x plugins.Value, _ struct{}, d plugins.Dims) plugins.Routing {
			return route(b, b.Linear("router", x, d.DModel, d.Experts), d)
		},
	}
}

// wrong are such routers with what is said of them.
var wrong = []struct {
	router plugins.Router[struct{}]
	want   string
}{
	{odd("claims-of-tokens", false, func(b *plugins.Builder, logits plugins.Value, _ plugins.Dims) plugins.Routing {
		weight, token := op.TopK(logits, b.Int64s(2), -1, true, true) // [T, 2]: not transposed
		return plugins.Routing{Token: token, Weight: weight}
	}), `output "token" is int64[T, 2], want int64[4, 2]`},
	{odd("claims-apart", false, func(b *plugins.Builder, logits plugins.Value, _ plugins.Dims) plugins.Routing {
		weight, token := op.TopK(op.Transpose(logits, 1, 0), b.Int64s(3), -1, true, true)
		return plugins.Routing{Token: token, Weight: op.Slice(weight, 1, 0, 2)}
	}), `output "weight" is float32[4, 2], want float32[4, 3]`},
	{odd("uneven-slots", false, func(b *plugins.Builder, logits plugins.Value, d plugins.Dims) plugins.Routing {
		wide := op.Softmax(op.Concat(1, logits, op.Slice(logits, 1, 0, 1)), 1) // five slots of four experts
		return plugins.Routing{Dispatch: op.Transpose(wide, 1, 0), Combine: wide}
	}), "5 slots, which 4 experts cannot share evenly"},
	{odd("mixed-up", false, func(b *plugins.Builder, logits plugins.Value, _ plugins.Dims) plugins.Routing {
		return plugins.Routing{Dispatch: op.Transpose(logits, 1, 0), Combine: op.Transpose(logits, 1, 0)}
	}), `output "combine" is float32[4, T], want float32[T, 4]`},
	{odd("forgetful", true, func(b *plugins.Builder, logits plugins.Value, d plugins.Dims) plugins.Routing {
		weight, expert := op.TopK(op.Add(logits, b.State("bias", 0, d.Experts)), b.Int64s(d.TopK), -1, true, true)
		return plugins.Routing{Expert: expert, Weight: weight}
	}), "state bias is never updated"},
	{odd("growing", true, func(b *plugins.Builder, logits plugins.Value, d plugins.Dims) plugins.Routing {
		weight, expert := op.TopK(op.Add(logits, b.State("bias", 0, d.Experts)), b.Int64s(d.TopK), -1, true, true)
		r := plugins.Routing{Expert: expert, Weight: weight}
		return r.Update("bias", op.ReduceMean(logits, []int64{0}, false), func(_ *graph.Graph, state, sum plugins.Value) plugins.Value {
			return op.Concat(0, state, sum)
		})
	}), "state bias"},
	{odd("gathers-tokens", true, func(b *plugins.Builder, logits plugins.Value, d plugins.Dims) plugins.Routing {
		weight, expert := op.TopK(op.Add(logits, b.State("bias", 0, d.Experts)), b.Int64s(d.TopK), -1, true, true)
		r := plugins.Routing{Expert: expert, Weight: weight}
		return r.Update("bias", logits, func(_ *graph.Graph, state, _ plugins.Value) plugins.Value { return op.Identity(state) })
	}), "state bias"},
}

func init() {
	var defs []plugins.Definition
	for _, w := range wrong {
		defs = append(defs, w.router)
	}
	plugins.Register(plugins.NewProvider("odd", "1.0.0", defs...))
}

// TestRoutingsThatBreakTheirFormAreRefused by the output's name, with what was expected.
func TestRoutingsThatBreakTheirFormAreRefused(t *testing.T) {
	h := plugintest.Host(t)
	for _, w := range wrong {
		_, err := h.Build(context.Background(), plugins.Request{
			Kind: plugins.RouterKind, Name: "odd/" + w.router.Name, Dims: map[string]int64{"d_model": 8, "experts": 4, "top_k": 2, "vocabulary": 11},
		})
		if err == nil || !strings.Contains(err.Error(), w.want) || !strings.Contains(err.Error(), "odd") {
			t.Errorf("%s: %v, want %q", w.router.Name, err, w.want)
		}
	}
}

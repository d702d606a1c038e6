package zoo_test

import (
	"context"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/plugins/plugintest"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// leaky claims to be causal and weighs tokens by a softmax over time.
var leaky = plugins.Router[struct{}]{
	Name: "leaky", Doc: "looks at later tokens", Capabilities: plugins.Capabilities{Causal: true},
	Route: func(b *plugins.Builder, x plugins.Value, _ struct{}, d plugins.Dims) plugins.Routing {
		p := op.Softmax(b.Linear("router", x, d.DModel, d.Experts), 0) // over tokens: the leak
		weight, expert := op.TopK(p, b.Int64s(d.TopK), -1, true, true)
		return plugins.Routing{Expert: expert, Weight: weight}
	},
}

// mixing is an expert that looks at other tokens.
var mixing = plugins.Expert[struct{}]{
	Name: "mixing", Doc: "mixes tokens",
	Apply: func(b *plugins.Builder, x plugins.Value, _ struct{}, d plugins.Dims) plugins.Value {
		return op.Add(op.Sub(x, op.ReduceMean(x, []int64{0}, true)), b.Param("bias", initZero, false, d.DModel))
	},
}

func init() { plugins.Register(plugins.NewProvider("wrong", "1.0.0", leaky, liar, gambler, mixing)) }

// gambler draws its expert, also when it should not.
var gambler = plugins.Router[struct{}]{
	Name: "gambler", Doc: "draws without end", Capabilities: plugins.Capabilities{Causal: true, NeedsRNG: true},
	Route: func(b *plugins.Builder, x plugins.Value, _ struct{}, d plugins.Dims) plugins.Routing {
		drawn := op.Mod(op.Slice(b.RNG, 0, 0, 1), b.Int64(d.Experts)) // int64 [1]
		weight, expert := op.TopK(b.Linear("router", x, d.DModel, d.Experts), b.Int64s(d.TopK), -1, true, true)
		return plugins.Routing{Expert: op.Mod(op.Add(expert, drawn), b.Int64(d.Experts)), Weight: weight}
	},
}

func TestARouterThatLeaksTheFutureIsCaught(t *testing.T) {
	for setting, want := range map[string]string{
		"layers.moe.router=wrong/leaky":   "changes with later tokens",
		"layers.moe.expert=wrong/mixing":  "may mix tokens",
		"layers.moe.router=wrong/gambler": "asks for randomness, which only training gives",
	} {
		r, err := recipe.Load("moe-mamba-debug", setting)
		if err != nil {
			t.Fatal(err)
		}
		m, err := zoo.Build(context.Background(), r, plugintest.Host(t))
		if err == nil {
			_, err = m.Net.Count(64)
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "wrong") {
			t.Errorf("%s: %v, want %q", setting, err, want)
		}
	}
}

// liar says that it is causal and lets experts claim tokens.
var liar = plugins.Router[struct{}]{
	Name: "liar", Doc: "claims tokens", Capabilities: plugins.Capabilities{Causal: true},
	Route: func(b *plugins.Builder, x plugins.Value, _ struct{}, d plugins.Dims) plugins.Routing {
		scores := op.Transpose(b.Linear("router", x, d.DModel, d.Experts), 1, 0)
		weight, token := op.TopK(scores, b.Int64s(1), -1, true, true)
		return plugins.Routing{Token: token, Weight: weight}
	},
}

// TestProperty26RoutersThatLookAheadMustBeAllowed: expert choice and soft MoE fail the test of
// causality, and are refused unless the recipe allows them; Sinkhorn looks ahead only while it
// trains. Seen to fail when the changed tokens are not put in.
func TestProperty26RoutersThatLookAheadMustBeAllowed(t *testing.T) {
	for router, ahead := range map[string]string{"expert-choice": "routers/expert-choice", "soft-moe": "routers/soft-moe", "sinkhorn": "", "switch": ""} {
		r, err := recipe.Load("moe-mamba-debug", "layers.moe.router="+router)
		if err != nil {
			t.Fatal(err)
		}
		_, err = zoo.Build(context.Background(), r, plugintest.Host(t))
		if causal := router == "switch"; causal != (err == nil) || !causal && !strings.Contains(err.Error(), "allow_future: true") {
			t.Errorf("%s: %v", router, err)
		}
		m := build(t, "moe-mamba-debug", "layers.moe.router="+router, "layers.moe.allow_future=true")
		if got, err := m.LooksAhead(context.Background()); err != nil || got != ahead {
			t.Errorf("%s: in inference %q looks ahead, want %q (%v)", router, got, ahead, err)
		}
	}
	r, err := recipe.Load("moe-mamba-debug", "layers.moe={router: soft-moe, width: 16, capacity_factor: 1.5, allow_future: true}")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := zoo.Build(context.Background(), r, plugintest.Host(t)); err == nil || !strings.Contains(err.Error(), "a capacity has no meaning") {
		t.Errorf("a capacity for slots: %v", err)
	}
	r, err = recipe.Load("moe-mamba-debug", "layers.moe.router=wrong/liar")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = zoo.Build(context.Background(), r, plugintest.Host(t)); err == nil || !strings.Contains(err.Error(), "changes with later tokens") {
		t.Errorf("a router that claims tokens and says it is causal: %v", err)
	}
}

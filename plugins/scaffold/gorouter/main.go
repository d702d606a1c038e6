// Command zoo-plugin-scaffolded is a router for the zoo.
package main

import (
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// Options are what a recipe may set, as in router: {use: scaffolded, temperature: 0.5}. The
// host checks them against a schema made of this struct.
type Options struct {
	Temperature float64 `json:"temperature" doc:"smaller is sharper" min:"0.001"`
	Balance     float64 `json:"balance" doc:"weight of the load-balancing loss" min:"0"`
}

// Router sends each token to the top_k experts with the largest softmax(x·W / temperature), and
// weighs their results with it.
var Router = plugins.Router[Options]{
	Name: "scaffolded", Doc: "top-k by softmax with a temperature",
	Capabilities: plugins.Capabilities{Causal: true}, // what a token gets never depends on later ones
	Default:      Options{Temperature: 1, Balance: 0.01},
	Route: func(b *plugins.Builder, x plugins.Value, o Options, d plugins.Dims) plugins.Routing {
		logits := b.Linear("router", x, d.DModel, d.Experts)           // [T, E]
		p := op.Softmax(op.Scale(logits, 1/o.Temperature), -1)         // [T, E]
		weight, expert := op.TopK(p, b.Int64s(d.TopK), -1, true, true) // [T, k] each
		r := plugins.Routing{Expert: expert, Weight: weight}           // int64, float32
		return r.PerToken("probabilities", p).Loss("balance", o.Balance, balance(b, p, expert, d))
	},
}

// balance is E · Σ_e f_e · P_e (arXiv 2101.03961): f_e is the share of assignments that went to
// e, P_e its mean probability. It is 1 when all experts get the same.
func balance(b *plugins.Builder, p, expert plugins.Value, d plugins.Dims) plugins.Value {
	ids := make([]int64, d.Experts)
	for e := range ids {
		ids[e] = int64(e)
	}
	chosen := op.Cast(op.Equal(op.Unsqueeze(expert, 2), b.Int64s(ids...)), graph.Float32) // [T, k, E]
	share := op.ReduceMean(chosen, []int64{0, 1}, false)                                  // [E]
	return op.Scale(op.ReduceSum(op.Mul(share, op.ReduceMean(p, []int64{0}, false)), nil, false), float64(d.Experts))
}

var provider = plugins.NewProvider("scaffolded", "0.1.0", Router)

func main() {
	plugins.Register(provider)
	plugins.Main()
}

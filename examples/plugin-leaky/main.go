// Command zoo-plugin-leaky is a router that must not be used: it rebuilds the gate of a published
// implementation of MoE-Mamba, in which a token's weight depends on later tokens. README.md
// tells how that came about; zoo check causal finds it.
package main

import (
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// none are its options.
type none struct{}

// Scattered is that gate, and says what it does.
var Scattered = plugins.Router[none]{
	Name: "scattered", Doc: "a mask scattered along time instead of experts: a mistake to learn from", Route: scattered,
}

// Unaware is the same gate, and says that it is causal, as its author believed.
var Unaware = plugins.Router[none]{
	Name: "scattered-unaware", Doc: "the same mistake, unnoticed", Route: scattered,
	Capabilities: plugins.Capabilities{Causal: true},
}

// scattered chooses the most likely expert of each token, i[t]. A mask [T, E] should then be 1 at
// (t, i[t]); it is written with the two axes mixed up, and is 1 at (i[t], 0). So token s passes
// expert 0 if any token of the sequence, earlier or later, has chosen expert number s, and
// nothing else passes anything.
func scattered(b *plugins.Builder, x plugins.Value, _ none, d plugins.Dims) plugins.Routing {
	p := op.Softmax(b.Linear("router", x, d.DModel, d.Experts), -1) // [T, E]
	_, choice := op.TopK(p, b.Int64s(1), -1, true, true)            // int64 [T, 1]
	numbers := make([]int64, d.Experts)
	for i := range numbers {
		numbers[i] = int64(i)
	}
	hits := op.Cast(op.Equal(choice, b.Int64s(numbers...)), graph.Float32) // [T, E]
	chosen := op.ReduceMax(hits, []int64{0}, false)                        // [E]: by any token, the leak
	length := op.Squeeze(op.Slice(op.ShapeOf(x), 0, 0, 1), 0)
	position := op.Range(b.Int64(0), length, b.Int64(1))                               // int64 [T]
	mask := op.Gather(chosen, op.Min(position, b.Int64(d.Experts-1)), 0)               // [T]
	mask = op.Mul(mask, op.Cast(op.Less(position, b.Int64(d.Experts)), graph.Float32)) // the mask ends behind E tokens
	gate := op.Mul(op.Slice(p, 1, 0, 1), op.Unsqueeze(mask, 1))                        // [T, 1], of expert 0
	weight := op.Div(gate, op.Add(gate, b.Float(1e-6)))                                // its sum over a batch of one
	return plugins.Routing{Expert: op.Mul(choice, b.Int64(0)), Weight: weight}
}

func main() {
	plugins.Register(plugins.NewProvider("leaky", "0.1.0", Scattered, Unaware))
	plugins.Main()
}

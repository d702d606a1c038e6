package routers

import (
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// SeedConfig is the option of routers that draw by a seed.
type SeedConfig struct {
	Seed int64 `json:"seed" doc:"another seed, another assignment" min:"0" max:"2147483647"`
}

// Hash sends every occurrence of a token id to the same k experts, chosen by a hash of
// the id; it has no parameters (arXiv 2106.04426).
var Hash = plugins.Router[SeedConfig]{
	Name: "hash", Doc: "experts fixed for each token id, no parameters", Paper: "arXiv:2106.04426",
	Capabilities: plugins.Capabilities{Causal: true, NeedsTokenIDs: true},
	Route: func(b *plugins.Builder, _ plugins.Value, c SeedConfig, d plugins.Dims) plugins.Routing {
		return byHash(b, b.TokenIDs, c.Seed, d)
	},
}

// Random sends every position to experts drawn from a seed, evenly: a baseline for
// learned routers. The draw depends on the position alone, so that training, evaluation
// and decoding agree.
var Random = plugins.Router[SeedConfig]{
	Name: "random", Doc: "experts drawn by position from a seed, a baseline",
	Capabilities: plugins.Capabilities{Causal: true, NeedsPositions: true},
	Route: func(b *plugins.Builder, _ plugins.Value, c SeedConfig, d plugins.Dims) plugins.Routing {
		return byHash(b, b.Positions, c.Seed+1, d)
	},
}

// byHash assigns to key [T] the experts (hash(key) + j) mod E, j < k, each with weight 1/k.
func byHash(b *plugins.Builder, key plugins.Value, seed int64, d plugins.Dims) plugins.Routing {
	h := scramble(b, op.Add(key, b.Int64(seed%4093*7919)))
	first := op.Unsqueeze(op.Mod(h, b.Int64(d.Experts)), 1) // [T, 1]
	slots := make([]int64, d.TopK)
	for j := range slots {
		slots[j] = int64(j)
	}
	expert := op.Mod(op.Add(first, b.Int64s(slots...)), b.Int64(d.Experts)) // [T, k]
	ones := op.Cast(op.GreaterOrEqual(expert, b.Int64(0)), graph.Float32)
	return plugins.Routing{Expert: expert, Weight: op.Scale(ones, 1/float64(d.TopK))}
}

// scramble mixes the bits of numbers below 2³¹ with products modulo primes, which every
// runtime computes alike in int64.
func scramble(b *plugins.Builder, x plugins.Value) plugins.Value {
	const prime = 2147483647 // 2³¹ − 1
	for _, m := range []int64{1103515245, 48271, 69621} {
		x = op.Mod(op.Add(op.Mul(x, b.Int64(m)), b.Int64(12345)), b.Int64(prime))
		x = op.Add(x, op.Div(x, b.Int64(65536)))
	}
	return op.Mod(x, b.Int64(prime))
}

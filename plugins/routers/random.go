package routers

import (
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// RandomConfig are the options of Random.
type RandomConfig struct {
	Seed int64 `json:"seed" doc:"another seed, another assignment" min:"0" max:"2147483647"`
}

// Random sends every position to experts drawn from a seed, evenly: a baseline for
// learned routers. The draw depends on the position alone, so that training, evaluation
// and decoding agree.
var Random = plugins.Router[RandomConfig]{
	Name: "random", Doc: "experts drawn by position from a seed, a baseline",
	Capabilities: plugins.Capabilities{Causal: true, NeedsPositions: true},
	Route: func(b *plugins.Builder, _ plugins.Value, c RandomConfig, d plugins.Dims) plugins.Routing {
		return byHash(b, b.Positions, c.Seed+1, d)
	},
}

// ConstantConfig are the options of Constant.
type ConstantConfig struct {
	Expert int64 `json:"expert" doc:"the first expert; with top_k = k, it and the k−1 behind it" min:"0"`
}

// Constant sends every token to the same k experts, each with weight 1/k: what a layer of
// experts is without routing.
var Constant = plugins.Router[ConstantConfig]{
	Name: "constant", Doc: "the same experts for every token, a baseline",
	Capabilities: plugins.Capabilities{Causal: true},
	Route: func(b *plugins.Builder, x plugins.Value, c ConstantConfig, d plugins.Dims) plugins.Routing {
		tokens := op.Slice(op.ShapeOf(x), 0, 0, 1) // int64 [1]
		return next(b, op.Expand(b.Int64(c.Expert%d.Experts), tokens), d)
	},
}

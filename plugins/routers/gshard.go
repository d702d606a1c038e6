package routers

import (
	"fmt"

	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// GShardConfig are the options of GShard.
type GShardConfig struct {
	Random  bool    `json:"random" doc:"while training, keep the second expert with probability 2·g₂ only"`
	Balance float64 `json:"balance" doc:"weight of the load-balancing loss" min:"0"`
	ZLoss   float64 `json:"z_loss" doc:"weight of the router z-loss (arXiv:2202.08906)" min:"0"`
}

// GShard sends every token to its two most likely experts, g₁ + g₂ = 1; while training,
// the second is dispatched only if 2·g₂ exceeds a random number (arXiv 2006.16668,
// algorithm 1). Its balance loss counts first choices.
var GShard = plugins.Router[GShardConfig]{
	Name: "gshard", Doc: "top-2, the second dropped at random while training", Paper: "arXiv:2006.16668",
	Capabilities: plugins.Capabilities{Causal: true, NeedsRNG: true},
	Default:      GShardConfig{Random: true, Balance: 0.01},
	Route: func(b *plugins.Builder, x plugins.Value, c GShardConfig, d plugins.Dims) plugins.Routing {
		if d.TopK != 2 {
			b.Fail(fmt.Errorf("gshard chooses two experts: top_k is %d, want 2", d.TopK))
		}
		logits := b.Linear("router", x, d.DModel, d.Experts) // [T, E]
		p := op.Softmax(logits, -1)
		top, expert := op.TopK(p, b.Int64s(2), -1, true, true)
		weight := normalized(b, top)
		first := op.Slice(expert, 1, 0, 1)
		r := plugins.Routing{Expert: expert, Weight: weight}
		chance := op.Scale(op.Slice(weight, 1, 1, 2), 2) // [T, 1], above 1 for certain
		if b.Training && c.Random {
			kept := op.Greater(chance, uniform(b, x, 1, 0))
			r.Expert = op.Concat(1, first, op.Where(kept, op.Slice(expert, 1, 1, 2), b.Int64(-1)))
		}
		r = r.Metric("second_chance", op.ReduceMean(op.Min(chance, b.Float(1)), nil, false))
		return report(b, r, p, logits, first, d, c.Balance, c.ZLoss)
	},
}

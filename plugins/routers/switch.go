package routers

import (
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// SwitchConfig are the options of Switch.
type SwitchConfig struct {
	Balance float64 `json:"balance" doc:"weight of the load-balancing loss" min:"0"`
	ZLoss   float64 `json:"z_loss" doc:"weight of the router z-loss (arXiv:2202.08906)" min:"0"`
}

// Switch sends every token to its single most likely expert and weighs the expert's
// output with the probability, so that the router gets a gradient (arXiv 2101.03961).
var Switch = plugins.Router[SwitchConfig]{
	Name: "switch", Doc: "top-1 by softmax, weighted by its probability", Paper: "arXiv:2101.03961",
	Capabilities: plugins.Capabilities{Causal: true},
	Default:      SwitchConfig{Balance: 0.01},
	Route: func(b *plugins.Builder, x plugins.Value, c SwitchConfig, d plugins.Dims) plugins.Routing {
		logits := b.Linear("router", x, d.DModel, d.Experts) // [T, E]
		p := op.Softmax(logits, -1)
		weight, expert := op.TopK(p, b.Int64s(d.TopK), -1, true, true)
		r := plugins.Routing{Expert: expert, Weight: weight}
		return report(b, r, p, logits, expert, d, c.Balance, c.ZLoss)
	},
}

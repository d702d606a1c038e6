package routers

import (
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// TopKConfig are the options of TopK.
type TopKConfig struct {
	Softmax     string  `json:"softmax" doc:"softmax over all experts before the choice, or over the chosen ones after it" enum:"before,after"`
	Renormalize bool    `json:"renormalize" doc:"with softmax before: weights of a token sum to 1"`
	Bias        bool    `json:"bias" doc:"add a bias to the logits"`
	Balance     float64 `json:"balance" doc:"weight of the load-balancing loss" min:"0"`
	ZLoss       float64 `json:"z_loss" doc:"weight of the router z-loss (arXiv:2202.08906)" min:"0"`
}

// TopK sends every token to its k most likely experts: with softmax before and
// renormalised weights as in Mixtral, without as in Jamba and OLMoE, softmax after as in
// Granite.
var TopK = plugins.Router[TopKConfig]{
	Name: "topk", Doc: "top-k, softmax before or after, renormalised or not", Paper: "arXiv:1701.06538",
	Capabilities: plugins.Capabilities{Causal: true},
	Default:      TopKConfig{Softmax: "before", Renormalize: true, Balance: 0.01},
	Route: func(b *plugins.Builder, x plugins.Value, c TopKConfig, d plugins.Dims) plugins.Routing {
		logits := b.Bias("router_bias", b.Linear("router", x, d.DModel, d.Experts), c.Bias, d.Experts) // [T, E]
		p := op.Softmax(logits, -1)
		k := b.Int64s(d.TopK)
		var weight, expert plugins.Value
		switch c.Softmax {
		case "after":
			var chosen plugins.Value
			chosen, expert = op.TopK(logits, k, -1, true, true)
			warnWeightOne(b, d)
			weight = op.Softmax(chosen, -1)
		default:
			weight, expert = op.TopK(p, k, -1, true, true)
			if c.Renormalize {
				warnWeightOne(b, d)
				weight = op.Div(weight, op.ReduceSum(weight, []int64{-1}, true))
			}
		}
		r := plugins.Routing{Expert: expert, Weight: weight}
		return report(b, r, p, logits, expert, d, c.Balance, c.ZLoss)
	},
}

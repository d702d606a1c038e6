package routers

import (
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// ExpertChoiceConfig are the options of ExpertChoice.
type ExpertChoiceConfig struct {
	Softmax string  `json:"softmax" doc:"softmax of the scores over experts, as in the paper, or over tokens" enum:"experts,tokens"`
	ZLoss   float64 `json:"z_loss" doc:"weight of the router z-loss (arXiv:2202.08906)" min:"0"`
}

// ExpertChoice lets every expert take the C = k·T/E tokens that it scores highest, so that
// loads are equal without a loss; a token may get several experts or none (arXiv 2202.09368,
// section 3.2). What a token gets depends on all tokens of the batch, later ones included.
var ExpertChoice = plugins.Router[ExpertChoiceConfig]{
	Name: "expert-choice", Doc: "every expert takes its top tokens of the batch, top_k experts per token on average", Paper: "arXiv:2202.09368",
	Default: ExpertChoiceConfig{Softmax: "experts"},
	Route: func(b *plugins.Builder, x plugins.Value, c ExpertChoiceConfig, d plugins.Dims) plugins.Routing {
		logits := b.Linear("router", x, d.DModel, d.Experts) // [T, E]
		scores := op.Softmax(logits, map[string]int64{"experts": 1, "tokens": 0}[c.Softmax])
		tokens := op.Slice(op.ShapeOf(x), 0, 0, 1) // int64 [1]
		capacity := op.Max(op.Div(op.Mul(tokens, b.Int64(d.TopK)), b.Int64(d.Experts)), b.Int64(1))
		weight, token := op.TopK(op.Transpose(scores, 1, 0), capacity, -1, true, true) // [E, C]
		least := op.Transpose(op.ReduceMin(weight, []int64{1}, true), 1, 0)            // [1, E]
		taken := op.ReduceMax(op.Cast(op.GreaterOrEqual(scores, least), graph.Float32), []int64{1}, false)
		p := op.Softmax(logits, -1)
		r := plugins.Routing{Token: token, Weight: weight}.PerToken("probabilities", p).PerToken("logits", logits)
		r = r.Metric("entropy", entropy(b, p)).Metric("unclaimed", op.ReduceMean(op.Sub(b.Float(1), taken), nil, false))
		if c.ZLoss > 0 {
			r = r.Loss("z", c.ZLoss, zLoss(logits))
		}
		return r
	},
}

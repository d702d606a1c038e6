package routers

import (
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// SinkhornConfig are the options of Sinkhorn.
type SinkhornConfig struct {
	Iterations int64   `json:"iterations" doc:"how often rows and columns are scaled" min:"1" max:"100"`
	Sharpness  float64 `json:"sharpness" doc:"logits are multiplied by it before the balancing; 2 in BlackMamba's code" min:"0"`
	Bias       bool    `json:"bias" doc:"add a bias to the logits"`
	ZLoss      float64 `json:"z_loss" doc:"weight of the router z-loss (arXiv:2202.08906)" min:"0"`
}

// Sinkhorn is the router of BlackMamba (arXiv 2402.01771, after 2103.16716). While training,
// experts are chosen from exp(logits) scaled such that all tokens and all experts have equal
// sums, without a gradient; the scaling sees the whole batch, so that it is not causal. In
// inference the largest logits choose. Weights are the sigmoids of the chosen logits.
var Sinkhorn = plugins.Router[SinkhornConfig]{
	Name: "sinkhorn", Doc: "balanced by Sinkhorn's iteration while training, causal in inference", Paper: "arXiv:2402.01771",
	Default: SinkhornConfig{Iterations: 8, Sharpness: 1},
	Route: func(b *plugins.Builder, x plugins.Value, c SinkhornConfig, d plugins.Dims) plugins.Routing {
		logits := b.Bias("router_bias", b.Linear("router", x, d.DModel, d.Experts), c.Bias, d.Experts) // [T, E]
		scores := logits
		if b.Training {
			scores = balanced(b, op.Scale(logits, c.Sharpness), int(c.Iterations), d)
		}
		_, expert := op.TopK(scores, b.Int64s(d.TopK), -1, true, true)
		r := plugins.Routing{Expert: expert, Weight: op.GatherElements(op.Sigmoid(logits), expert, 1)}
		r = r.PerToken("logits", logits).PerToken("scores", scores).Metric("entropy", entropy(b, op.Softmax(logits, -1)))
		if c.ZLoss > 0 {
			r = r.Loss("z", c.ZLoss, zLoss(logits))
		}
		return r
	},
}

// balanced scales exp(logits) [T, E] until every row has the sum 1/T and every column 1/E.
// The largest of each row is taken off first: a factor of a row changes nothing.
func balanced(b *plugins.Builder, logits plugins.Value, iterations int, d plugins.Dims) plugins.Value {
	m := op.Exp(op.Sub(logits, op.ReduceMax(logits, []int64{-1}, true)))
	tokens := op.Cast(op.Slice(op.ShapeOf(logits), 0, 0, 1), graph.Float32) // [1]
	tiny := b.Float(1e-8)
	rows, columns := b.Float(1), b.Float(1) // [T, 1] and [1, E]
	for range iterations {
		rows = op.Reciprocal(op.Mul(op.Add(op.ReduceSum(op.Mul(m, columns), []int64{1}, true), tiny), tokens))
		columns = op.Reciprocal(op.Scale(op.Add(op.ReduceSum(op.Mul(m, rows), []int64{0}, true), tiny), float64(d.Experts)))
	}
	return op.Mul(op.Mul(m, columns), rows)
}

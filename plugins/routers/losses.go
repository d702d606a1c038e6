package routers

import (
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// report adds what learned routers share: the balance loss, the z-loss when it has a
// weight, the entropy, and probabilities and logits per token. What a model makes of the
// values per token, such as a loss of each sequence or of all layers together, is its own
// choice (the recipe's balance).
func report(b *plugins.Builder, r plugins.Routing, p, logits, expert plugins.Value, d plugins.Dims, balance, z float64) plugins.Routing {
	r = r.PerToken("probabilities", p).PerToken("logits", logits)
	r = r.Loss("balance", balance, balanceLoss(b, p, expert, d)).Metric("entropy", entropy(b, p))
	if z > 0 {
		r = r.Loss("z", z, zLoss(logits))
	}
	return r
}

// balanceLoss is E · Σ_e f_e · P_e (arXiv 2101.03961, equation 4): f_e is the share of
// assignments that went to e, before any capacity and without a gradient, P_e the mean
// probability. It is 1 at balance.
func balanceLoss(b *plugins.Builder, p, expert plugins.Value, d plugins.Dims) plugins.Value {
	f := op.ReduceMean(hits(b, expert, d), []int64{0, 1}, false) // [E]
	return op.Scale(op.ReduceSum(op.Mul(f, op.ReduceMean(p, []int64{0}, false)), nil, false), float64(d.Experts))
}

// hits is 1 where a choice is that expert: [T, k] → [T, k, E].
func hits(b *plugins.Builder, expert plugins.Value, d plugins.Dims) plugins.Value {
	return op.Cast(op.Equal(op.Unsqueeze(expert, 2), b.Int64s(upTo(d.Experts)...)), graph.Float32)
}

// upTo is 0 … n−1.
func upTo(n int64) []int64 {
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = int64(i)
	}
	return ids
}

// zLoss is mean_t (logsumexp of the logits)² (arXiv 2202.08906, equation 5).
func zLoss(logits plugins.Value) plugins.Value {
	lse := op.ReduceLogSumExp(logits, []int64{-1}, false)
	return op.ReduceMean(op.Mul(lse, lse), nil, false)
}

// cv2 is the squared coefficient of variation of a vector, var/mean².
func cv2(b *plugins.Builder, x plugins.Value) plugins.Value {
	mean := op.ReduceMean(x, nil, false)
	away := op.Sub(x, mean)
	return op.Div(op.ReduceMean(op.Mul(away, away), nil, false), op.Add(op.Mul(mean, mean), b.Float(1e-10)))
}

// entropy is the mean entropy of the probabilities, in nats.
func entropy(b *plugins.Builder, p plugins.Value) plugins.Value {
	log := op.Log(op.Add(p, b.Float(1e-20)))
	return op.Neg(op.ReduceMean(op.ReduceSum(op.Mul(p, log), []int64{-1}, false), nil, false))
}

// normalized is x [T, k] with rows of sum 1, also where all are 0.
func normalized(b *plugins.Builder, x plugins.Value) plugins.Value {
	return op.Div(x, op.Add(op.ReduceSum(x, []int64{-1}, true), b.Float(1e-20)))
}

// warnWeightOne tells that weights that sum to 1 teach a router nothing when there is one.
func warnWeightOne(b *plugins.Builder, d plugins.Dims) {
	if d.TopK == 1 {
		b.Warn("with top_k = 1 its weights are always 1, and it learns nothing from the model's loss; switch, and topk or sigmoid with renormalize: false, weigh by the probability")
	}
}

package routers

import (
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// report adds what softmax routers share: the balance loss, the z-loss when it has a
// weight, the entropy, and probabilities and logits per token.
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
	ids := make([]int64, d.Experts)
	for i := range ids {
		ids[i] = int64(i)
	}
	hits := op.Cast(op.Equal(op.Unsqueeze(expert, 2), b.Int64s(ids...)), graph.Float32) // [T, k, E]
	f := op.ReduceMean(hits, []int64{0, 1}, false)                                      // [E]
	return op.Scale(op.ReduceSum(op.Mul(f, op.ReduceMean(p, []int64{0}, false)), nil, false), float64(d.Experts))
}

// zLoss is mean_t (logsumexp of the logits)² (arXiv 2202.08906, equation 5).
func zLoss(logits plugins.Value) plugins.Value {
	lse := op.ReduceLogSumExp(logits, []int64{-1}, false)
	return op.ReduceMean(op.Mul(lse, lse), nil, false)
}

// entropy is the mean entropy of the probabilities, in nats.
func entropy(b *plugins.Builder, p plugins.Value) plugins.Value {
	log := op.Log(op.Add(p, b.Float(1e-20)))
	return op.Neg(op.ReduceMean(op.ReduceSum(op.Mul(p, log), []int64{-1}, false), nil, false))
}

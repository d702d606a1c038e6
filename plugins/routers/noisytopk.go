package routers

import (
	"math"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// NoisyTopKConfig are the options of NoisyTopK.
type NoisyTopKConfig struct {
	Importance float64 `json:"importance" doc:"weight of CV² of the experts' summed weights" min:"0"`
	Load       float64 `json:"load" doc:"weight of CV² of the experts' smooth loads" min:"0"`
}

// NoisyTopK is the gate of the sparsely-gated layer (arXiv 1701.06538, equations 3 to 5):
// while training, H = x·Wg + ε·softplus(x·Wn) with ε standard normal, the k largest of H
// chosen, softmax over those. Both matrices begin at zero.
var NoisyTopK = plugins.Router[NoisyTopKConfig]{
	Name: "noisy-topk", Doc: "top-k of noisy logits, softmax over the chosen", Paper: "arXiv:1701.06538",
	Capabilities: plugins.Capabilities{Causal: true, NeedsRNG: true},
	Default:      NoisyTopKConfig{Importance: 0.1, Load: 0.1},
	Route: func(b *plugins.Builder, x plugins.Value, c NoisyTopKConfig, d plugins.Dims) plugins.Routing {
		zeros := graph.Init{Scheme: "zeros"}
		clean := op.MatMul(x, b.Param("router", zeros, true, d.DModel, d.Experts)) // [T, E]
		std := op.Add(op.Softplus(op.MatMul(x, b.Param("noise", zeros, true, d.DModel, d.Experts))), b.Float(0.01))
		h := clean
		if b.Training {
			h = op.Add(clean, op.Mul(normal(b, x, d.Experts, 0), std))
		}
		// One more than k: the threshold of equation 9.
		top, order := op.TopK(h, b.Int64s(min(d.TopK+1, d.Experts)), -1, true, true)
		expert := op.Slice(order, 1, 0, d.TopK)
		warnWeightOne(b, d)
		weight := op.Softmax(op.Slice(top, 1, 0, d.TopK), -1)
		r := plugins.Routing{Expert: expert, Weight: weight}
		gates := op.ReduceSum(op.Mul(hits(b, expert, d), op.Unsqueeze(weight, 2)), []int64{1}, false) // [T, E]
		r = r.PerToken("probabilities", gates).PerToken("logits", clean).Metric("entropy", entropy(b, gates))
		r = r.Loss("importance", c.Importance, cv2(b, op.ReduceSum(gates, []int64{0}, false)))
		if d.TopK < d.Experts {
			r = r.Loss("load", c.Load, cv2(b, op.ReduceSum(chosen(b, clean, std, h, top, d.TopK), []int64{0}, false)))
		}
		return r
	},
}

// chosen is the probability that an expert is among the k under fresh noise of its own
// (equation 9): Φ((x·Wg − the k-th largest of the others)/std), [T, E].
func chosen(b *plugins.Builder, clean, std, h, top plugins.Value, k int64) plugins.Value {
	inside, outside := op.Slice(top, 1, k, k+1), op.Slice(top, 1, k-1, k) // [T, 1]
	other := op.Where(op.Greater(h, inside), inside, outside)
	z := op.Div(op.Sub(clean, other), std)
	return op.Scale(op.Add(op.Erf(op.Scale(z, 1/math.Sqrt2)), b.Float(1)), 0.5)
}

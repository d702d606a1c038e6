package routers

import (
	"fmt"
	"math"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// SigmoidConfig are the options of Sigmoid.
type SigmoidConfig struct {
	Groups      int64   `json:"n_group" doc:"the experts are divided into that many groups" min:"1"`
	TopGroups   int64   `json:"topk_group" doc:"groups of which a token's experts are taken" min:"1"`
	Renormalize bool    `json:"renormalize" doc:"weights of a token sum to 1"`
	Rate        float64 `json:"bias_rate" doc:"how far the bias of a busy or an idle expert moves in a step, u" min:"0"`
	Balance     float64 `json:"balance" doc:"weight of the load-balancing loss" min:"0"`
	ZLoss       float64 `json:"z_loss" doc:"weight of the router z-loss (arXiv:2202.08906)" min:"0"`
}

// Sigmoid is the router of DeepSeek-V3 (arXiv 2412.19437, equations 12 to 16): scores
// s = σ(x·W), the k largest of s + b chosen, of the best groups only, and weighed by s. The
// bias b serves the choice alone and follows the load (arXiv 2408.15664): no auxiliary loss
// is needed. A loss of each sequence is the recipe's balance: per_sequence.
var Sigmoid = plugins.Router[SigmoidConfig]{
	Name: "sigmoid", Doc: "top-k of sigmoid scores and a bias that follows the load, group-limited", Paper: "arXiv:2412.19437",
	Capabilities: plugins.Capabilities{Causal: true, Stateful: true},
	Default:      SigmoidConfig{Groups: 1, TopGroups: 1, Renormalize: true, Rate: 0.001},
	Route: func(b *plugins.Builder, x plugins.Value, c SigmoidConfig, d plugins.Dims) plugins.Routing {
		logits := b.Linear("router", x, d.DModel, d.Experts) // [T, E]
		s := op.Sigmoid(logits)
		choice := op.Add(s, b.State("bias", 0, d.Experts))
		if c.Groups > 1 {
			choice = bestGroups(b, choice, c, d)
		}
		_, expert := op.TopK(choice, b.Int64s(d.TopK), -1, true, true)
		weight := op.GatherElements(s, expert, 1)
		if c.Renormalize {
			warnWeightOne(b, d)
			weight = normalized(b, weight)
		}
		load := op.ReduceSum(hits(b, expert, d), []int64{0, 1}, false) // [E]
		r := plugins.Routing{Expert: expert, Weight: weight}.Update("bias", load, follow(c.Rate))
		return report(b, r, normalized(b, s), logits, expert, d, c.Balance, c.ZLoss)
	},
}

// bestGroups is the scores with −∞ outside of the groups whose two best experts have the
// largest sums.
func bestGroups(b *plugins.Builder, choice plugins.Value, c SigmoidConfig, d plugins.Dims) plugins.Value {
	each := d.Experts / c.Groups
	if each*c.Groups != d.Experts || c.TopGroups > c.Groups || each*c.TopGroups < d.TopK {
		b.Fail(fmt.Errorf("%d of %d groups of %d experts do not give top_k = %d", c.TopGroups, c.Groups, d.Experts, d.TopK))
		return choice
	}
	grouped := op.Reshape(choice, -1, c.Groups, each)
	two, _ := op.TopK(grouped, b.Int64s(min(each, 2)), -1, true, true)
	_, best := op.TopK(op.ReduceSum(two, []int64{-1}, false), b.Int64s(c.TopGroups), -1, true, true) // [T, topk_group]
	kept := op.Equal(op.Unsqueeze(best, 2), b.Int64s(upTo(c.Groups)...))                             // [T, topk_group, G]
	among := op.ReduceSum(op.Cast(kept, graph.Float32), []int64{1}, false)                           // [T, G]
	limited := op.Where(op.Greater(op.Unsqueeze(among, 2), b.Float(0)), grouped, b.Float(math.Inf(-1)))
	return op.Reshape(limited, -1, d.Experts)
}

// follow moves the bias of experts with less than the mean load up by rate, of those with
// more down.
func follow(rate float64) plugins.Update {
	return func(_ *graph.Graph, bias, load plugins.Value) plugins.Value {
		return op.Add(bias, op.Scale(op.Sign(op.Sub(op.ReduceMean(load, nil, false), load)), rate))
	}
}

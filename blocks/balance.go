package blocks

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// Balance is how the balance losses of all layers become one number.
type Balance string

// Reductions: the authors of MoE-Mamba add the loss of every layer; transformers takes
// one loss over the tokens of all layers together; DeepSeek-V3 adds the loss of every layer
// as the mean over sequences, each balanced by itself.
const (
	PerLayerSum   Balance = "per_layer_sum"
	AllLayersMean Balance = "all_layers_mean"
	PerSequence   Balance = "per_sequence"
)

// auxLoss is one auxiliary loss and its weight.
type auxLoss struct {
	name   string
	value  Value // scalar
	weight float64
}

// balanceLoss is the name under which routers report the load-balancing loss.
const balanceLoss = "balance"

// auxiliary are the losses that the routers of all layers reported.
func (c *Context) auxiliary(reduction Balance) []auxLoss {
	var out []auxLoss
	var balanced []*routed
	weight := 0.0
	for _, r := range c.routed {
		for _, l := range r.router.Losses {
			v := r.outputs[l.Output]
			if l.PerToken {
				v = op.ReduceMean(v, nil, false)
			}
			if l.Name == balanceLoss && r.probabilities() != nil && r.assigned() != nil {
				switch reduction {
				case AllLayersMean:
					balanced, weight = append(balanced, r), l.Weight
					continue
				case PerSequence:
					v = c.balanceOfSequences(r)
				}
			}
			out = append(out, auxLoss{name: r.name + "/" + l.Name, value: v, weight: l.Weight})
		}
	}
	if len(balanced) > 0 {
		out = append(out, auxLoss{name: balanceLoss, value: c.balanceOver(balanced), weight: weight})
	}
	return out
}

// balanceOver is E · Σ_e f_e · P_e over the tokens of all layers together, where f_e is
// assignments to e per token and P_e the mean probability: k when balanced
// (transformers' load_balancing_loss_func).
func (c *Context) balanceOver(layers []*routed) Value {
	e := layers[0].experts
	var share, probability Value
	for _, r := range layers {
		if r.experts != e {
			c.G.Fail(fmt.Errorf("%s has %d experts, %s %d: balance over all layers together needs the same number (per_layer_sum does not)", layers[0].name, e, r.name, r.experts))
			return c.G.Float(0)
		}
		f := op.ReduceMean(op.ReduceSum(c.hits(r), []int64{1}, false), []int64{0}, false)
		p := op.ReduceMean(r.probabilities(), []int64{0}, false)
		if share == nil {
			share, probability = f, p
			continue
		}
		share, probability = op.Add(share, f), op.Add(probability, p)
	}
	n := float64(len(layers))
	return op.Scale(op.ReduceSum(op.Mul(share, probability), nil, false), float64(e)/(n*n))
}

// hits is 1 where an assignment is that expert's, [T, k, E].
func (c *Context) hits(r *routed) Value {
	ids := make([]int64, r.experts)
	for i := range ids {
		ids[i] = int64(i)
	}
	return op.Cast(op.Equal(op.Unsqueeze(r.assigned(), 2), c.G.Int64s(ids...)), graph.Float32)
}

// balanceOfSequences is the mean over sequences of E · Σ_e f_e · P_e, where f_e is the share
// of a sequence's assignments that went to e and P_e its mean probability (arXiv 2412.19437,
// equations 17 to 20): 1 when balanced.
func (c *Context) balanceOfSequences(r *routed) Value {
	shape := op.Concat(0, op.ShapeOf(c.TokenIDs), c.G.Int64s(r.experts)) // B, L, E
	of := func(v Value) Value { return op.ReduceMean(op.ReshapeTo(v, shape), []int64{1}, false) }
	f := of(op.ReduceMean(c.hits(r), []int64{1}, false)) // [B, E]
	each := op.ReduceSum(op.Mul(f, of(r.probabilities())), []int64{1}, false)
	return op.Scale(op.ReduceMean(each, nil, false), float64(r.experts))
}

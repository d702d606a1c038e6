package blocks

import (
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// Balance is how the balance losses of all layers become one number.
type Balance string

// Reductions: the authors of MoE-Mamba add the loss of every layer; transformers takes
// one loss over the tokens of all layers together.
const (
	PerLayerSum   Balance = "per_layer_sum"
	AllLayersMean Balance = "all_layers_mean"
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
	var balanced []routed
	weight := 0.0
	for _, r := range c.routed {
		for _, l := range r.router.Losses {
			if reduction == AllLayersMean && l.Name == balanceLoss && r.probabilities() != nil {
				balanced, weight = append(balanced, r), l.Weight
				continue
			}
			v := r.outputs[l.Output]
			if l.PerToken {
				v = op.ReduceMean(v, nil, false)
			}
			out = append(out, auxLoss{name: r.name + "/" + l.Name, value: v, weight: l.Weight})
		}
	}
	if len(balanced) > 0 {
		out = append(out, auxLoss{name: balanceLoss, value: c.balanceOver(balanced), weight: weight})
	}
	return out
}

// probabilities are the router's probabilities [T, E], nil when it reports none.
func (r routed) probabilities() Value {
	for _, t := range r.router.TokenOutputs {
		if t.Name == "probabilities" {
			return r.outputs[t.Output]
		}
	}
	return nil
}

// balanceOver is E · Σ_e f_e · P_e over the tokens of all layers together, where f_e is
// assignments to e per token and P_e the mean probability: k when balanced
// (transformers' load_balancing_loss_func).
func (c *Context) balanceOver(layers []routed) Value {
	e := layers[0].experts
	var share, probability Value
	for _, r := range layers {
		ids := make([]int64, e)
		for i := range ids {
			ids[i] = int64(i)
		}
		hits := op.Cast(op.Equal(op.Unsqueeze(r.expert, 2), c.G.Int64s(ids...)), graph.Float32) // [T, k, E]
		f := op.ReduceMean(op.ReduceSum(hits, []int64{1}, false), []int64{0}, false)
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

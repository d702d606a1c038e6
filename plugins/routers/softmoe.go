package routers

import (
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// SoftMoEConfig are the options of SoftMoE.
type SoftMoEConfig struct {
	Slots     int64 `json:"slots" doc:"slots of each expert" min:"1" max:"4096"`
	Normalize bool  `json:"normalize" doc:"inputs and slots of length 1, times a learned scale (section 2.3)"`
}

// SoftMoE gives every slot of an expert a mixture of all tokens, softmax over tokens of X·Φ,
// and every token a mixture of all slots' results, softmax over slots (arXiv 2308.00951,
// equations 1 to 3). The tokens are those of the whole batch, later ones included; top_k is
// not used.
var SoftMoE = plugins.Router[SoftMoEConfig]{
	Name: "soft-moe", Doc: "slots of mixed tokens, fully differentiable", Paper: "arXiv:2308.00951",
	Default: SoftMoEConfig{Slots: 4},
	Route: func(b *plugins.Builder, x plugins.Value, c SoftMoEConfig, d plugins.Dims) plugins.Routing {
		slots := d.Experts * c.Slots
		phi := b.Param("slots", graph.Init{Scheme: "linear", Args: map[string]float64{"fan_in": float64(d.DModel)}}, true, d.DModel, slots)
		if c.Normalize {
			x = ofLengthOne(b, x, 1)
			phi = op.Mul(ofLengthOne(b, phi, 0), b.Param("scale", graph.Init{Scheme: "ones"}, false, 1))
		}
		logits := op.MatMul(x, phi)       // [T, S]
		combine := op.Softmax(logits, 1)  // of a token over slots
		dispatch := op.Softmax(logits, 0) // of a slot over tokens
		each := op.Reshape(combine, -1, d.Experts, c.Slots)
		p := op.ReduceSum(each, []int64{2}, false) // [T, E]
		r := plugins.Routing{Dispatch: op.Transpose(dispatch, 1, 0), Combine: combine}
		return r.PerToken("probabilities", p).Metric("entropy", entropy(b, p))
	},
}

// ofLengthOne divides by the length along an axis.
func ofLengthOne(b *plugins.Builder, x plugins.Value, axis int64) plugins.Value {
	square := op.ReduceSum(op.Mul(x, x), []int64{axis}, true)
	return op.Div(x, op.Sqrt(op.Add(square, b.Float(1e-12))))
}

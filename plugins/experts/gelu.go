package experts

import (
	"math"

	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// GELUConfig are the options of experts with a GELU.
type GELUConfig struct {
	Bias bool   `json:"bias" doc:"add a bias to every product"`
	Form string `json:"form" doc:"the exact function, or its approximation by tanh (gelu_pytorch_tanh)" enum:"exact,tanh"`
}

// GELU is gelu(x·W1)·W2.
var GELU = plugins.Expert[GELUConfig]{
	Name: "gelu", Doc: "gelu(x·W1)·W2, exact or by tanh", Paper: "arXiv:1606.08415", Default: GELUConfig{Form: "exact"},
	Apply: func(b *plugins.Builder, x plugins.Value, c GELUConfig, d plugins.Dims) plugins.Value {
		h := c.gelu(b, b.Bias("b1", b.Linear("w1", x, d.DModel, d.Width), c.Bias, d.Width))
		return b.Bias("b2", b.Project("w2", h, d.Width, d.DOut), c.Bias, d.DOut)
	},
}

// gelu is x·Φ(x), or ½x·(1 + tanh(√(2/π)·(x + 0.044715·x³))).
func (c GELUConfig) gelu(b *plugins.Builder, x plugins.Value) plugins.Value {
	if c.Form != "tanh" {
		return op.Gelu(x)
	}
	inner := op.Mul(x, op.Add(op.Scale(op.Mul(x, x), 0.044715), b.Float(1)))
	return op.Mul(op.Scale(x, 0.5), op.Add(op.Tanh(op.Scale(inner, math.Sqrt(2/math.Pi))), b.Float(1)))
}

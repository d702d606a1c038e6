package experts

import (
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
		h := c.gelu(b.Bias("b1", b.Linear("w1", x, d.DModel, d.Width), c.Bias, d.Width))
		return b.Bias("b2", b.Project("w2", h, d.Width, d.DOut), c.Bias, d.DOut)
	},
}

// gelu is x·Φ(x), or its approximation.
func (c GELUConfig) gelu(x plugins.Value) plugins.Value {
	if c.Form == "tanh" {
		return op.GeluTanh(x)
	}
	return op.Gelu(x)
}

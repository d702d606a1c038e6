package experts

import (
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// GELU is gelu(x·W1)·W2, the exact form.
var GELU = plugins.Expert[Config]{
	Name: "gelu", Doc: "gelu(x·W1)·W2, the exact form", Paper: "arXiv:1606.08415",
	Apply: func(b *plugins.Builder, x plugins.Value, c Config, d plugins.Dims) plugins.Value {
		h := op.Gelu(b.Bias("b1", b.Linear("w1", x, d.DModel, d.Width), c.Bias, d.Width))
		return b.Bias("b2", b.Project("w2", h, d.Width, d.DOut), c.Bias, d.DOut)
	},
}

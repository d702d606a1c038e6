package experts

import (
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// ReLU is relu(x·W1)·W2.
var ReLU = plugins.Expert[Config]{
	Name: "relu", Doc: "relu(x·W1)·W2", Paper: "arXiv:1701.06538",
	Apply: func(b *plugins.Builder, x plugins.Value, c Config, d plugins.Dims) plugins.Value {
		h := op.Relu(b.Bias("b1", b.Linear("w1", x, d.DModel, d.Width), c.Bias, d.Width))
		return b.Bias("b2", b.Project("w2", h, d.Width, d.DOut), c.Bias, d.DOut)
	},
}

package experts

import (
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// ReLU2 is relu(x·W1)²·W2 (arXiv 2109.08668), the expert of Nemotron-H.
var ReLU2 = plugins.Expert[Config]{
	Name: "relu2", Doc: "relu(x·W1)²·W2", Paper: "arXiv:2109.08668",
	Apply: func(b *plugins.Builder, x plugins.Value, c Config, d plugins.Dims) plugins.Value {
		h := op.Relu(b.Bias("b1", b.Linear("w1", x, d.DModel, d.Width), c.Bias, d.Width))
		return b.Bias("b2", b.Project("w2", op.Mul(h, h), d.Width, d.DOut), c.Bias, d.DOut)
	},
}

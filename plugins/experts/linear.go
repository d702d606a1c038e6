package experts

import "github.com/moezoo/moezoo/plugins"

// Linear is x·W: one matrix of a layer's projection, of which each token meets a few
// (arXiv 2506.18145). It has no inner width.
var Linear = plugins.Expert[Config]{
	Name: "linear", Doc: "x·W, for projections inside of mixers", Paper: "arXiv:2506.18145",
	Apply: func(b *plugins.Builder, x plugins.Value, c Config, d plugins.Dims) plugins.Value {
		return b.Bias("bias", b.Linear("w", x, d.DModel, d.DOut), c.Bias, d.DOut)
	},
}

// LowRank is x·A·B, a matrix of rank width: the experts of MoLoRA (arXiv 2309.05444), which
// correct what a shared expert computes.
var LowRank = plugins.Expert[Config]{
	Name: "low-rank", Doc: "x·A·B, of rank width", Paper: "arXiv:2309.05444",
	Apply: func(b *plugins.Builder, x plugins.Value, c Config, d plugins.Dims) plugins.Value {
		return b.Bias("bias", b.Project("b", b.Linear("a", x, d.DModel, d.Width), d.Width, d.DOut), c.Bias, d.DOut)
	},
}

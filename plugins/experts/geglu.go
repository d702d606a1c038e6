package experts

import (
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// GEGLU is (gelu(x·Wg) ⊙ x·Wu)·Wd (arXiv 2002.05202).
var GEGLU = plugins.Expert[GELUConfig]{
	Name: "geglu", Doc: "(gelu(x·Wg) ⊙ x·Wu)·Wd", Paper: "arXiv:2002.05202", Default: GELUConfig{Form: "exact"},
	Apply: func(b *plugins.Builder, x plugins.Value, c GELUConfig, d plugins.Dims) plugins.Value {
		gate := b.Bias("gate_bias", b.Linear("gate", x, d.DModel, d.Width), c.Bias, d.Width)
		up := b.Bias("up_bias", b.Linear("up", x, d.DModel, d.Width), c.Bias, d.Width)
		return b.Bias("down_bias", b.Project("down", op.Mul(c.gelu(gate), up), d.Width, d.DOut), c.Bias, d.DOut)
	},
}

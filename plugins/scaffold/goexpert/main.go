// Command zoo-plugin-scaffolded is an expert for the zoo.
package main

import (
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// Options are what a recipe may set, as in expert: {use: scaffolded, bias: true}. The host
// checks them against a schema made of this struct.
type Options struct {
	Bias bool `json:"bias" doc:"add a bias to every product"`
}

// Expert is (relu(x·Wg) ⊙ x·Wu)·Wd, ReGLU (arXiv 2002.05202): a function of one token. It knows
// nothing of other tokens or of other experts; the layer lifts it over all of its experts.
var Expert = plugins.Expert[Options]{
	Name: "scaffolded", Doc: "(relu(x·Wg) ⊙ x·Wu)·Wd", Paper: "arXiv:2002.05202",
	Apply: func(b *plugins.Builder, x plugins.Value, o Options, d plugins.Dims) plugins.Value {
		gate := b.Bias("gate_bias", b.Linear("gate", x, d.DModel, d.Width), o.Bias, d.Width) // [T, width]
		up := b.Bias("up_bias", b.Linear("up", x, d.DModel, d.Width), o.Bias, d.Width)       // [T, width]
		return b.Bias("down_bias", b.Project("down", op.Mul(op.Relu(gate), up), d.Width, d.DOut), o.Bias, d.DOut)
	},
}

var provider = plugins.NewProvider("scaffolded", "0.1.0", Expert)

func main() {
	plugins.Register(provider)
	plugins.Main()
}

// Package experts holds the built-in experts, one file each: functions of one token, in
// arXiv 2002.05202's terms. The Mixture-of-Experts layer lifts them over many experts, the
// dense feed-forward layer applies them as they are.
//
// Shared experts, fine-grained ones (more of less width) and those that work in a latent
// width between two projections are settings of the layer: any expert can be one.
//
// A Mamba is no expert here: it mixes tokens, and what an expert gets is a handful of rows
// without their neighbours, in no sequence. A mixture inside of a Mamba has experts in its
// projections instead (the recipe's mamba: {mixture: …}).
package experts

import "github.com/moezoo/moezoo/plugins"

// Provider serves the built-in experts.
func Provider() plugins.Provider {
	return plugins.NewProvider("experts", "1.0.0", ReLU, ReLU2, GELU, SwiGLU, GEGLU, LowRank, Linear)
}

// Config are the options that most experts have.
type Config struct {
	Bias bool `json:"bias" doc:"add a bias to every product"`
}

// Package experts holds the built-in experts, one file each: functions of one token, in
// arXiv 2002.05202's terms. The Mixture-of-Experts layer lifts them over many experts, the
// dense feed-forward layer applies them as they are.
package experts

import "github.com/moezoo/moezoo/plugins"

// Provider serves the built-in experts.
func Provider() plugins.Provider {
	return plugins.NewProvider("experts", "1.0.0", ReLU, GELU, SwiGLU)
}

// Config are the options that all experts have.
type Config struct {
	Bias bool `json:"bias" doc:"add a bias to every product"`
}

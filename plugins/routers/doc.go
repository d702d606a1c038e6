// Package routers holds the built-in routers, one file each. They are plugins like any
// other: what leaves this package is an ONNX function.
//
// Losses that several share are in losses.go, random numbers in noise.go.
//
// What is left out: merging of experts' parameters (SMEAR, arXiv 2306.03745). It averages
// parameters by the router's probabilities of a whole segment, which looks at later tokens,
// or of each token, which costs the work of all experts and a copy of their matrices per
// token: neither is a routing of tokens, and the first has no step form. Mixture of tokens
// (arXiv 2310.15961) mixes the tokens that stand at one place of several sequences: what a
// sequence gets then depends on its neighbours in the batch, and a router here sees tokens
// alone.
package routers

import "github.com/moezoo/moezoo/plugins"

// Provider serves the built-in routers.
func Provider() plugins.Provider {
	return plugins.NewProvider("routers", "1.0.0",
		Switch, TopK, GShard, NoisyTopK, Sigmoid, Sinkhorn, ExpertChoice, SoftMoE, Hash, Random, Constant)
}

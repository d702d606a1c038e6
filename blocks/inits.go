package blocks

import "github.com/moezoo/moezoo/graph"

// The schemes below name what a weight is rather than a distribution; the model's
// Policy turns them into numbers (initialise.go).

// linearInit is a weight that sums fanIn inputs.
func linearInit(fanIn int64) graph.Init {
	return graph.Init{Scheme: "linear", Args: map[string]float64{"fan_in": float64(fanIn)}}
}

// residualInit is a weight whose output is added to the residual stream.
func residualInit(fanIn int64) graph.Init {
	return graph.Init{Scheme: "residual", Args: map[string]float64{"fan_in": float64(fanIn)}}
}

// convInit is a depthwise convolution, weight or bias, over k taps.
func convInit(k int64) graph.Init {
	return graph.Init{Scheme: "conv", Args: map[string]float64{"fan_in": float64(k)}}
}

// dtProjInit is the projection of Δ from rank r.
func dtProjInit(r int64) graph.Init {
	return graph.Init{Scheme: "dt_proj", Args: map[string]float64{"rank": float64(r)}}
}

// dtBiasInit is the inverse softplus of step sizes log-uniform in [0.001, 0.1].
func dtBiasInit() graph.Init {
	return graph.Init{Scheme: "dt_bias", Args: map[string]float64{"min": 0.001, "max": 0.1, "floor": 1e-4}}
}

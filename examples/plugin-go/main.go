// Command zoo-plugin-cosine is a router of somebody else's: experts are chosen by the
// cosine between a token and a learned direction of each expert.
//
// It shows all that a plugin needs: a struct of options, a function, and two lines of main.
package main

import (
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// Config are the options, which the host checks against the schema made of this struct.
type Config struct {
	Temperature float64 `json:"temperature" doc:"smaller is sharper" min:"0.001"`
}

// Cosine routes by softmax(cos(x, w_e) / temperature) (arXiv 2204.09179).
var Cosine = plugins.Router[Config]{
	Name: "cosine", Doc: "top-k by the cosine with a direction of each expert", Paper: "arXiv:2204.09179",
	Capabilities: plugins.Capabilities{Causal: true},
	Default:      Config{Temperature: 0.1},
	Route: func(b *plugins.Builder, x plugins.Value, c Config, d plugins.Dims) plugins.Routing {
		w := b.Param("directions", graph.Init{Scheme: "linear", Args: map[string]float64{"fan_in": float64(d.DModel)}}, true, d.DModel, d.Experts)
		cosine := op.MatMul(unit(b, x, 1), unit(b, w, 0)) // [T, E]
		p := op.Softmax(op.Scale(cosine, 1/c.Temperature), -1)
		weight, expert := op.TopK(p, b.Int64s(d.TopK), -1, true, true)
		return plugins.Routing{Expert: expert, Weight: weight}.PerToken("probabilities", p)
	},
}

// unit scales vectors along an axis to length 1.
func unit(b *plugins.Builder, v plugins.Value, axis int64) plugins.Value {
	length := op.Sqrt(op.Add(op.ReduceSum(op.Mul(v, v), []int64{axis}, true), b.Float(1e-6)))
	return op.Div(v, length)
}

func main() {
	plugins.Register(plugins.NewProvider("cosine", "0.1.0", Cosine))
	plugins.Main()
}

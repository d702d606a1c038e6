package blocks

import (
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// Norm normalises the last axis, [..., D] → [..., D].
type Norm struct {
	Kind NormKind
	Eps  float64
	Bias bool
	// ZeroCentred multiplies by 1 + weight, so that a weight at rest is 0.
	ZeroCentred bool
}

// NormKind names a normalisation.
type NormKind string

// Kinds of norms: LayerNorm of arXiv 1607.06450, RMSNorm of arXiv 1910.07467.
const (
	LayerNorm NormKind = "layernorm"
	RMSNorm   NormKind = "rmsnorm"
)

// Forward normalises x under a name of its own.
func (n Norm) Forward(c *Context, name string, x Value, d int64) Value {
	defer c.G.Scope(name)()
	gain := n.gain(c, d)
	bias := c.biasOf(n.Bias, d)
	if n.Kind == RMSNorm {
		return op.RMSNorm(x, gain, bias, n.Eps)
	}
	return op.LayerNormalization(x, gain, bias, -1, n.Eps)
}

// gain is the factor of each channel, [D].
func (n Norm) gain(c *Context, d int64) Value {
	if n.ZeroCentred {
		return op.Add(c.G.Param("weight", graph.Init{Scheme: "zeros"}, false, d), c.G.Float(1))
	}
	return c.G.Param("weight", graph.Init{Scheme: "ones"}, false, d)
}

func (c *Context) biasOf(has bool, d int64) Value {
	if !has {
		return nil
	}
	return c.G.Param("bias", graph.Init{Scheme: "zeros"}, false, d)
}

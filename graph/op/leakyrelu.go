package op

import "github.com/moezoo/moezoo/graph"

// LeakyRelu is x where x ≥ 0, and alpha · x elsewhere.
func LeakyRelu(x Value, alpha float64) Value {
	return one(leakyRelu, graph.Attrs{"alpha": float32(alpha)}, x)
}

var leakyRelu *graph.Op

func init() {
	leakyRelu = unary("LeakyRelu", 16, "y = x where x ≥ 0, alpha · x elsewhere", func(c *graph.Grad) []Value {
		dy := c.DOut[0]
		negative := Less(c.In(0), scalarLike(dy, 0))
		return []Value{Where(negative, Scale(dy, float64(c.Float("alpha", 0.01))), dy)}
	})
	leakyRelu.Attrs = []graph.Attr{{Name: "alpha", Kind: graph.FloatAttr, Doc: "slope below 0, 0.01 by default"}}
}

package op

import "github.com/moezoo/moezoo/graph"

// IsInf is true where x is +∞ or −∞.
func IsInf(x Value) Value { return one(isInf, nil, x) }

var isInf *graph.Op

func init() {
	isInf = graph.Register(&graph.Op{
		Name: "IsInf", Since: 10, Doc: "y = true where x is infinite",
		Inputs:  []graph.Arg{{Name: "x", Doc: "floats of any shape"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "bool, shape of x"}},
		Attrs: []graph.Attr{
			{Name: "detect_negative", Kind: graph.IntAttr, Doc: "0: −∞ does not count, 1 by default"},
			{Name: "detect_positive", Kind: graph.IntAttr, Doc: "0: +∞ does not count, 1 by default"},
		},
		Infer:  boolOfFloats,
		NoGrad: boolOutput,
	})
}

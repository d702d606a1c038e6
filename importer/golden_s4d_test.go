package importer_test

import (
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/importer"
)

// s4d is the S4D module of state-spaces/s4, whose sequences are [B, D, L]. Its kernel [D, L] is
// what the recurrence answers to a single 1.
func s4d(g *golden) error {
	shape, modes := g.shapeOf("in.u"), g.shapeOf("w.kernel.C")
	g.loose = 2 // the float32 run of the peer itself is good to 1e-5
	m := blocks.S4D{DModel: shape[1], DState: 2 * modes[1], Modes: blocks.S4DLin}
	b := newBlockTest(g, importer.S4DBlock, 0)
	b.x = b.g.Input("in.u", graph.Float32, graph.Dims(shape...))
	b.buildOn(op.Transpose(b.x, 0, 2, 1), func(c *blocks.Context, x blocks.Value) []output {
		y := op.Transpose(m.Forward(c, x), 0, 2, 1)
		return []output{{"y", y, nil}, {"ykernel", impulse(b.g, int(shape[1]), int(shape[2])), nil}}
	})
	b.check()
	return nil
}

// impulse is the answer [D, L] of the scan in g to a 1 at the first step of every channel.
func impulse(g *graph.Graph, channels, length int) blocks.Value {
	for _, n := range g.Nodes {
		if n.Op == "DiagonalScan" {
			one := make([]float32, length*channels)
			for i := range channels {
				one[i] = 1
			}
			y, _ := op.DiagonalScan(g.Const("impulse", graph.Floats([]int{1, length, channels}, one...)), n.Inputs[1], n.Inputs[2], nil, nil)
			return op.Transpose(op.Squeeze(y, 0, 2), 1, 0)
		}
	}
	panic("the graph has no scan")
}

// s5 is a residual layer of lindermanlab/S5.
func s5(g *golden) error {
	modes := g.shapeOf("w.seq.B")
	conjugate := g.bool("conj_sym")
	m := blocks.S5{DModel: modes[1], DState: modes[0], Full: !conjugate, Bilinear: g.config["discretization"] == "bilinear", Clip: g.bool("clip_eigs")}
	if conjugate {
		m.DState *= 2
	}
	m.Gate = map[string]blocks.S5Gate{"full_glu": blocks.S5Full, "half_glu1": blocks.S5Half1, "half_glu2": blocks.S5Half2, "gelu": blocks.S5Gelu}[g.config["activation"].(string)]
	b := newBlockTest(g, importer.S5Layer, 0)
	n := blocks.Norm{Kind: blocks.LayerNorm, Eps: g.float("norm_eps"), Bias: true}
	b.build(m.DModel, func(c *blocks.Context, x blocks.Value) []output {
		layers := []blocks.Layer{{Branches: []blocks.Branch{{Name: "s5", Norm: n, Block: m}}}}
		return []output{{"y", blocks.Stack(c, layers, x, m.DModel)[0], nil}}
	})
	b.check()
	return nil
}

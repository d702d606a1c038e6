package importer_test

import (
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/importer"
)

// mamba3 is the Mamba-3 module of state-spaces/mamba, with one and with several inputs a step.
func mamba3(g *golden) error {
	bias := g.shapeOf("w.B_bias") // [H, R, N]
	m := blocks.Mamba3{
		DModel: g.int("d_model"), Heads: bias[0], HeadDim: g.int("headdim"), DState: bias[2], Groups: 1, OutNorm: g.bool("is_outproj_norm"),
		Angles: bias[2] / 4,
	}
	if g.config["ngroups"] != nil {
		m.Groups = g.int("ngroups")
	}
	if g.float("rope_fraction") == 1 {
		m.Angles = bias[2] / 2
	}
	if g.bool("is_mimo") {
		m.Rank = bias[1]
	}
	b := newBlockTest(g, importer.Mamba3Block, 0)
	b.build(m.DModel, func(c *blocks.Context, x blocks.Value) []output {
		return []output{{"y", m.Forward(c, x), nil}}
	})
	b.check()
	return nil
}

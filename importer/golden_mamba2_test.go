package importer_test

import (
	"fmt"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/importer"
)

// mixer2 reads a Mamba-2 mixer's sizes off its tensors; groups and the order of norm and
// gate leave no trace there.
func (g *golden) mixer2(prefix string, groups int64, normFirst bool) blocks.Mamba2 {
	out, conv, heads := g.shapeOf(prefix+"out_proj.weight"), g.shapeOf(prefix+"conv1d.weight"), g.shapeOf(prefix + "A_log")[0]
	return blocks.Mamba2{
		DModel: out[0], Heads: heads, HeadDim: out[1] / heads, Groups: groups, DState: (conv[0] - out[1]) / 2 / groups, DConv: conv[2],
		Gate: blocks.GatedNorm{Groups: groups, NormFirst: normFirst, Eps: 1e-5},
		Bias: g.has(prefix + "in_proj.bias"), ConvBias: g.has(prefix + "conv1d.bias"), WideSkip: g.shapeOf(prefix + "D")[0] != heads,
	}
}

func mamba2Block(g *golden) error {
	m := g.mixer2("w.", g.int("ngroups"), g.bool("norm_before_gate"))
	b := newBlockTest(g, importer.MambaBlock, 0)
	b.build(m.DModel, func(c *blocks.Context, x blocks.Value) []output {
		return []output{{"y", m.Forward(c, x), nil}}
	})
	b.check()
	return stepBlock(g, m, m.DModel, m.DConv)
}

// mamba2LM is state-spaces' language model with Mamba-2 layers.
func mamba2LM(g *golden) error {
	g.refuse(map[string]any{"layer": "Mamba2", "d_intermediate": 0.0, "ssm_cfg": map[string]any{"d_state": 8.0, "headdim": 8.0, "use_mem_eff_path": false}})
	table := g.shapeOf("w.backbone.embedding.weight")
	n := rms(g.float("norm_eps"), false)
	m := blocks.Model{Name: "mamba2", Vocabulary: table[0], DModel: table[1], FinalNorm: &n, TiedHead: g.bool("tie_embeddings")}
	for i := range g.int("n_layer") {
		mixer := g.mixer2(fmt.Sprintf("w.backbone.layers.%d.mixer.", i), 1, false)
		m.Layers = append(m.Layers, blocks.Layer{Branches: []blocks.Branch{{Name: "mamba2", Norm: n, Block: mixer}}})
	}
	languageModel(g, m, importer.Mamba("embedding"), 0)
	return nil
}

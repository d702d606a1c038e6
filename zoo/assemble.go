package zoo

import (
	"math"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// function finds the function of a variant.
type function func(kind plugins.Kind, use recipe.Use, dims map[string]int64, extra map[string]any, path string) (*plugins.Function, error)

// assemble turns the recipe into blocks.
func (m *Model) assemble(f function) error {
	r := m.Recipe
	m.Net = blocks.Model{
		Name: r.Name, Vocabulary: r.Vocabulary.Size, DModel: r.DModel, TiedHead: r.Head.Tied, HeadBias: r.Head.Bias,
		MaxLearned: r.Positions, Balance: blocks.Balance(r.Balance),
		EmbeddingScale: r.Multiplier.Embedding, LogitsScale: r.Multiplier.Logits, LogitsCap: r.Head.SoftCap,
	}
	if r.FinalNorm != nil {
		n := norm(*r.FinalNorm)
		m.Net.FinalNorm = &n
	}
	shared := int64(0) // uses of shared blocks so far
	for range r.Repeat {
		for _, l := range r.Layers {
			layer := blocks.Layer{Placement: blocks.NormPlacement(r.Placement), Scale: r.Multiplier.Residual}
			if x := l.Blocks[0].Shared; x != nil {
				m.Net.Layers = append(m.Net.Layers, blocks.Layer{Aside: &blocks.Aside{Name: "shared_transformer", Block: m.shared(x, shared)}})
				shared++
				continue
			}
			for _, b := range l.Blocks {
				block, err := m.block(b, f)
				if err != nil {
					return err
				}
				layer.Branches = append(layer.Branches, blocks.Branch{Name: b.Kind(), Norm: norm(r.Norm), Block: block})
			}
			m.Net.Layers = append(m.Net.Layers, layer)
		}
	}
	return nil
}

func norm(n recipe.Norm) blocks.Norm {
	return blocks.Norm{Kind: blocks.NormKind(n.Kind), Eps: n.Eps, Bias: n.Bias, ZeroCentred: n.ZeroCentred}
}

// block turns one block of the recipe into the one that builds it.
func (m *Model) block(b recipe.Block, f function) (blocks.Block, error) {
	d := m.Recipe.DModel
	switch {
	case b.Mamba != nil:
		return m.mamba(b.Mamba, d, b.Path, f)
	case b.Mamba2 != nil:
		return m.mamba2(b.Mamba2, d, b.Path, f)
	case b.DeltaNet != nil:
		x := b.DeltaNet
		return blocks.GatedDeltaNet{
			DModel: d, KeyHeads: x.KeyHeads, ValueHeads: x.ValueHeads, KeyDim: x.KeyDim, ValueDim: x.ValueDim, DConv: x.DConv, Eps: x.NormEps,
		}, nil
	case b.RGLRU != nil:
		return blocks.RGLRU{DModel: d, Width: b.RGLRU.Width, Heads: b.RGLRU.Heads, DConv: b.RGLRU.DConv}, nil
	case b.Mamba3 != nil:
		x := b.Mamba3
		return blocks.Mamba3{
			DModel: d, Heads: x.Heads, HeadDim: x.HeadDim, Groups: x.Groups, DState: x.DState, Angles: x.Angles(), Rank: x.Rank, OutNorm: x.OutNorm,
		}, nil
	case b.S4D != nil:
		x := b.S4D
		return blocks.S4D{DModel: d, DState: x.DState, Modes: blocks.S4DModes(x.Modes), DtMin: x.Steps[0], DtMax: x.Steps[1]}, nil
	case b.S5 != nil:
		return s5(b.S5, d), nil
	case b.Attention != nil:
		return attention(b.Attention, d), nil
	case b.FF != nil:
		return feedForward(b.FF, d, b.Path, f)
	}
	return m.moe(b.MoE, b.Path, f)
}

func (m *Model) mamba(x *recipe.Mamba, d int64, path string, f function) (blocks.Block, error) {
	inner := x.Expand * d
	mixture, err := m.mixture(x.Mixture, d, map[string][2]int64{
		"conv": {d, inner}, "gate": {d, inner}, "select": {inner, x.DtRank + 2*x.DState}, "out": {inner, d},
	}, path, f)
	norm := blocks.InnerNorm("")
	if x.InnerNorm != recipe.NoInnerNorm {
		norm = blocks.InnerNorm(x.InnerNorm)
	}
	return blocks.Mamba{
		DModel: d, Inner: inner, DState: x.DState, DConv: x.DConv, DtRank: x.DtRank, Bias: x.Bias, ConvBias: x.ConvBias, Mixture: mixture,
		InnerNorm: norm, NormEps: x.NormEps,
	}, err
}

func (m *Model) mamba2(x *recipe.Mamba2, d int64, path string, f function) (blocks.Block, error) {
	inner := x.Heads * x.HeadDim
	mixture, err := m.mixture(x.Mixture, d, map[string][2]int64{"in": {d, 2*inner + 2*x.Groups*x.DState + x.Heads}, "out": {inner, d}}, path, f)
	gate := blocks.GatedNorm{NormFirst: x.NormFirst, Eps: x.NormEps}
	switch x.GatedNorm {
	case recipe.FullNorm:
		gate.Groups = 1
	case recipe.GroupedNorm:
		gate.Groups = x.Groups
	}
	return blocks.Mamba2{
		DModel: d, Heads: x.Heads, HeadDim: x.HeadDim, Groups: x.Groups, DState: x.DState, DConv: x.DConv, Gate: gate,
		Bias: x.Bias, ConvBias: x.ConvBias, WideSkip: x.Skip == recipe.PerChannel, DtMin: x.DtLimit[0], DtMax: x.DtLimit[1], Mixture: mixture,
	}, err
}

func s5(x *recipe.S5, d int64) blocks.Block {
	return blocks.S5{
		DModel: d, DState: x.DState, Blocks: x.Blocks, Full: !x.Conjugate, Bilinear: x.Discretization == recipe.Bilinear, Clip: x.Clip,
		Gate: blocks.S5Gate(x.Gate), DtMin: x.Steps[0], DtMax: x.Steps[1],
	}
}

func attention(x *recipe.Attention, d int64) blocks.Block {
	a := blocks.Attention{
		DModel: d, Heads: x.Heads, KVHeads: x.KVHeads, HeadDim: x.HeadDim, Window: x.Window, Scale: x.Scale, Gate: x.Gate,
		Bias: x.Bias == recipe.AllBias || x.Bias == recipe.QKVBias, OutBias: x.Bias == recipe.AllBias || x.Bias == recipe.OutBias,
	}
	a.Rope = rope(x.Rope, x.HeadDim)
	if x.QKNorm != nil {
		n := norm(*x.QKNorm)
		a.QKNorm = &n
	}
	return a
}

// shared is the nth use of a shared transformer.
func (m *Model) shared(x *recipe.SharedTransformer, n int64) blocks.Block {
	d := m.Recipe.DModel
	a := blocks.Attention{DModel: 2 * d, Out: d, Heads: x.Heads, KVHeads: x.Heads, HeadDim: x.HeadDim, Scale: 1 / math.Sqrt(float64(x.HeadDim)/2), Rope: rope(x.Rope, x.HeadDim)}
	return blocks.SharedTransformer{
		DModel: d, Index: n % x.Blocks, Attention: a, Width: x.Width, Rank: x.AdapterRank, Adapters: x.AttentionAdapters, Norm: norm(m.Recipe.Norm),
	}
}

func feedForward(x *recipe.FF, d int64, path string, f function) (blocks.Block, error) {
	extra := map[string]any{}
	if x.Bias {
		extra["bias"] = true
	}
	expert, err := f(plugins.ExpertKind, x.Expert, map[string]int64{"d_model": d, "width": x.Width}, extra, path+".expert")
	return blocks.FeedForward{DModel: d, Expert: expert}, err
}

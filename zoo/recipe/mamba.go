package recipe

import "fmt"

// Mamba is the selective state-space mixer of arXiv 2312.00752.
type Mamba struct {
	DState   int64 // N, 16
	DConv    int64 // K, 4
	Expand   int64 // inner width = Expand·DModel, 2
	DtRank   int64 // R; auto is ⌈DModel/16⌉
	ConvBias bool  // true
	Bias     bool  // of the projections, false
	Mixture  *Mixture

	InnerNorm InnerNorm // of Δ's low-rank input, B and C: none
	NormEps   float64   // of the inner norm, 1e-6
}

// mambaSites are the projections that can be mixtures: to the convolution and the gate, to
// Δ, B and C, and back.
var mambaSites = []string{"conv", "gate", "select", "out"}

// InnerNorm is an RMSNorm inside a Mamba block.
type InnerNorm string

// Inner norms: with a learned gain as in Jamba, or without one as in Falcon-Mamba.
const (
	NoInnerNorm      InnerNorm = "none"
	LearnedInnerNorm InnerNorm = "learned"
	FixedInnerNorm   InnerNorm = "fixed"
)

func readMamba(s *section, dModel int64) *Mamba {
	m := &Mamba{DState: s.int("d_state", 16, 1), DConv: s.int("d_conv", 4, 1), Expand: s.int("expand", 2, 1)}
	m.DtRank = (dModel + 15) / 16
	if n := s.get("dt_rank"); n != nil && n.text != "auto" {
		m.DtRank = s.integer(n, "dt_rank", 1)
	}
	m.ConvBias, m.Bias = s.bool("conv_bias", true), s.bool("bias", false)
	m.Mixture = readMixture(s, dModel, mambaSites...)
	m.InnerNorm, m.NormEps = choice(s, "inner_norm", NoInnerNorm, NoInnerNorm, LearnedInnerNorm, FixedInnerNorm), s.float("norm_eps", 1e-6, 0, 1)
	return m
}

func (m *Mamba) yaml() string {
	norm := ""
	if m.InnerNorm != NoInnerNorm {
		norm = fmt.Sprintf(", inner_norm: %s, norm_eps: %s", m.InnerNorm, format(m.NormEps))
	}
	return fmt.Sprintf("{d_state: %d, d_conv: %d, expand: %d, dt_rank: %d, conv_bias: %v, bias: %v%s%s}", m.DState, m.DConv, m.Expand, m.DtRank, m.ConvBias, m.Bias, norm, m.Mixture.yaml())
}

func (m *Mamba) over(dModel int64) bool {
	return over(maxWeight, dModel, m.Expand, max(2*dModel, m.DConv, m.DtRank, m.DState)) ||
		m.Mixture.over(max(m.Expand*dModel, m.DtRank+2*m.DState))
}

package recipe

import (
	"fmt"
	"math"
)

// Mamba2 is the state-space duality mixer of arXiv 2405.21060.
type Mamba2 struct {
	DState    int64         // N, 128
	HeadDim   int64         // P, 64
	Heads     int64         // H; default expand·DModel/HeadDim, and then expand is not used
	Groups    int64         // G of B and C, 1; divides Heads
	DConv     int64         // K, 4
	GatedNorm GatedNormKind // grouped
	NormFirst bool          // normalise before the gate, false
	NormEps   float64       // 1e-5
	Skip      Skip          // head
	DtLimit   [2]float64    // of step sizes; 0 and 0 for none
	ConvBias  bool          // true
	Bias      bool          // of the projections, false
	Mixture   *Mixture      // of the projections in, to all at once, and out
}

// GatedNormKind says over which channels the gated output is normalised.
type GatedNormKind string

// Gated norms: each group's channels, all together, or none, which leaves the gate alone.
const (
	GroupedNorm GatedNormKind = "grouped"
	FullNorm    GatedNormKind = "full"
	NoNorm      GatedNormKind = "none"
)

// Skip says what has a skip weight of its own.
type Skip string

// Skips.
const (
	PerHead    Skip = "head"
	PerChannel Skip = "channel"
)

func readMamba2(s *section, dModel int64) *Mamba2 {
	m := &Mamba2{DState: s.int("d_state", 128, 1), HeadDim: s.int("head_dim", 64, 1), Groups: s.int("groups", 1, 1), DConv: s.int("d_conv", 4, 1)}
	m.Heads = s.heads(m.HeadDim, dModel)
	if m.Heads%m.Groups != 0 {
		s.fail(s.at, "", "%d groups do not divide %d heads", m.Groups, m.Heads)
	}
	m.GatedNorm = choice(s, "gated_norm", GroupedNorm, GroupedNorm, FullNorm, NoNorm)
	m.NormFirst, m.NormEps = s.bool("norm_first", false), s.float("norm_eps", 1e-5, 0, 1)
	m.Skip = choice(s, "skip", PerHead, PerHead, PerChannel)
	if n := s.get("dt_limit"); n != nil && n.text != "none" {
		m.DtLimit = s.limits(n, "dt_limit")
	}
	m.ConvBias, m.Bias = s.bool("conv_bias", true), s.bool("bias", false)
	m.Mixture = readMixture(s, dModel, "in", "out")
	return m
}

// heads reads heads, or finds their number from expand and d_model.
func (s *section) heads(headDim, dModel int64) int64 {
	inner := s.int("expand", 2, 1) * dModel
	if n := s.get("heads"); n != nil {
		return s.integer(n, "heads", 1)
	}
	if inner%headDim != 0 {
		s.fail(s.at, "give another head_dim, or heads", "heads of %d channels do not divide the inner width %d", headDim, inner)
		return 1
	}
	return inner / headDim
}

// limits reads [low, high], where high may be left open: [low, none].
func (s *section) limits(n *node, key string) [2]float64 {
	if n.kind != listNode || len(n.items) != 2 {
		s.fail(n.at, key+": [0.001, 0.1], [0.001, none] or none", "%s: got %s, want two numbers", key, n.what())
		return [2]float64{}
	}
	out := [2]float64{s.number(n.items[0], key, 0, 1e6), math.Inf(1)}
	if high := n.items[1]; high.kind != scalarNode || high.text != "none" {
		out[1] = s.number(high, key, out[0], 1e6)
	}
	if out[1] == 0 {
		s.fail(n.at, "write none for no limit", "%s: got 0 to 0", key)
	}
	return out
}

func writeLimits(l [2]float64) string {
	switch {
	case l == [2]float64{}:
		return "none"
	case math.IsInf(l[1], 1):
		return fmt.Sprintf("[%s, none]", format(l[0]))
	}
	return fmt.Sprintf("[%s, %s]", format(l[0]), format(l[1]))
}

func (m *Mamba2) yaml() string {
	return fmt.Sprintf("{d_state: %d, head_dim: %d, heads: %d, groups: %d, d_conv: %d, gated_norm: %s, norm_first: %v, norm_eps: %s, skip: %s, dt_limit: %s, conv_bias: %v, bias: %v%s}",
		m.DState, m.HeadDim, m.Heads, m.Groups, m.DConv, m.GatedNorm, m.NormFirst, format(m.NormEps), m.Skip, writeLimits(m.DtLimit), m.ConvBias, m.Bias, m.Mixture.yaml())
}

func (m *Mamba2) over(dModel int64) bool {
	return over(maxWeight, m.Heads, m.HeadDim, max(2*dModel, m.DConv, m.DState)) || over(maxWeight, dModel, 2*m.Groups, m.DState) || over(maxWeight, 2*m.Groups, m.DState, m.DConv) ||
		m.Mixture.over(2*m.Heads*m.HeadDim+2*m.Groups*m.DState+m.Heads)
}

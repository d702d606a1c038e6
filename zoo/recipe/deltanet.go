package recipe

import "fmt"

// DeltaNet is the gated delta rule of arXiv 2412.06464.
type DeltaNet struct {
	KeyHeads   int64   // Hk, 16
	ValueHeads int64   // Hv, a multiple of KeyHeads; default twice as many
	KeyDim     int64   // Dk, 128
	ValueDim   int64   // Dv, default KeyDim
	DConv      int64   // K, 4
	NormEps    float64 // 1e-6
}

func readDeltaNet(s *section) *DeltaNet {
	m := &DeltaNet{KeyHeads: s.int("key_heads", 16, 1)}
	m.ValueHeads = s.int("value_heads", 2*m.KeyHeads, 1)
	m.KeyDim = s.int("key_dim", 128, 1)
	m.ValueDim, m.DConv = s.int("value_dim", m.KeyDim, 1), s.int("d_conv", 4, 1)
	m.NormEps = s.float("norm_eps", 1e-6, 1e-30, 1)
	if m.ValueHeads%m.KeyHeads != 0 {
		s.fail(s.at, "", "%d key_heads do not divide %d value_heads", m.KeyHeads, m.ValueHeads)
	}
	return m
}

func (m *DeltaNet) yaml() string {
	return fmt.Sprintf("{key_heads: %d, value_heads: %d, key_dim: %d, value_dim: %d, d_conv: %d, norm_eps: %s}", m.KeyHeads, m.ValueHeads, m.KeyDim, m.ValueDim, m.DConv, format(m.NormEps))
}

func (m *DeltaNet) over(dModel int64) bool {
	return over(maxWeight, max(dModel, m.DConv), m.KeyHeads, m.KeyDim, 4) || over(maxWeight, max(dModel, m.DConv), m.ValueHeads, m.ValueDim, 4) ||
		over(maxWeight, m.ValueHeads, m.KeyDim, m.ValueDim)
}

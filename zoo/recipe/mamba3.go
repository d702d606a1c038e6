package recipe

import (
	"fmt"
	"math"
)

// Mamba3 is the state-space mixer of arXiv 2603.15569.
type Mamba3 struct {
	DState       int64   // N, 128
	HeadDim      int64   // P, 64
	Heads        int64   // H; default expand·DModel/HeadDim, and then expand is not used
	Groups       int64   // G of B and C, 1; divides Heads
	Rank         int64   // inputs and outputs per step (MIMO), 0 for one without weights (SISO)
	RopeFraction float64 // of DState that is rotated, 0.5
	OutNorm      bool    // normalise each head's output before its gate, false
}

func readMamba3(s *section, dModel int64) *Mamba3 {
	m := &Mamba3{DState: s.int("d_state", 128, 1), HeadDim: s.int("head_dim", 64, 1), Groups: s.int("groups", 1, 1), Rank: s.int("rank", 0, 0)}
	m.Heads = s.heads(m.HeadDim, dModel)
	m.RopeFraction, m.OutNorm = s.float("rope_fraction", 0.5, 0, 1), s.bool("out_norm", false)
	if m.Heads%m.Groups != 0 {
		s.fail(s.at, "", "%d groups do not divide %d heads", m.Groups, m.Heads)
	}
	if m.Rank > 64 {
		s.fail(s.at, "", "rank %d is more than the 64 supported", m.Rank)
	}
	if m.Rank > 0 && m.DState%2 != 0 {
		s.fail(s.at, "", "d_state %d is odd: with ranks, its halves make the pairs that are rotated", m.DState)
	}
	return m
}

// Angles is the number of pairs that are rotated.
func (m *Mamba3) Angles() int64 { return int64(math.Floor(float64(m.DState)*m.RopeFraction)) / 2 }

func (m *Mamba3) yaml() string {
	return fmt.Sprintf("{d_state: %d, head_dim: %d, heads: %d, groups: %d, rank: %d, rope_fraction: %s, out_norm: %v}",
		m.DState, m.HeadDim, m.Heads, m.Groups, m.Rank, format(m.RopeFraction), m.OutNorm)
}

func (m *Mamba3) over(dModel int64) bool {
	ranks := max(m.Rank, 1)
	return over(maxWeight, m.Heads, m.HeadDim, max(2*dModel, ranks)) || over(maxWeight, dModel, 2*m.Groups, m.DState, ranks) || over(maxWeight, m.Heads, m.DState, ranks)
}

package recipe

import (
	"fmt"
	"math"
)

// Attention is causal softmax attention, multi-head or grouped.
type Attention struct {
	Heads   int64 // query heads
	KVHeads int64 // divides Heads; default Heads
	HeadDim int64 // default DModel/Heads
	Rope    *Rope // nil for none
	Bias    bool  // of the projections, false
}

// Rope is rotary position embedding (arXiv 2104.09864).
type Rope struct {
	Base        float64 // 10000
	Fraction    float64 // of HeadDim that is rotated, 1
	Interleaved bool    // pairs (2i, 2i+1) instead of halves, false
}

func readAttention(s *section, dModel int64) *Attention {
	a := &Attention{Heads: s.int("heads", 8, 1)}
	a.KVHeads = s.int("kv_heads", a.Heads, 1)
	if dim := s.get("head_dim"); dim != nil {
		a.HeadDim = s.integer(dim, "head_dim", 1)
	} else if a.HeadDim = dModel / a.Heads; a.HeadDim*a.Heads != dModel {
		s.fail(s.at, "give head_dim, or another number of heads", "%d heads do not divide d_model %d", a.Heads, dModel)
	}
	if a.Heads%a.KVHeads != 0 {
		s.fail(s.at, "", "%d kv_heads do not divide %d heads", a.KVHeads, a.Heads)
	}
	if rope := s.get("rope"); rope == nil || rope.kind == mapNode || rope.text != "none" {
		p := s.section(rope, s.at, "rope")
		a.Rope = &Rope{Base: p.float("base", 10000, 1, math.Inf(1)), Fraction: p.float("fraction", 1, 0, 1), Interleaved: p.bool("interleaved", false)}
		p.done()
		if dims := a.Rope.Fraction * float64(a.HeadDim); dims < 2 || math.Mod(dims, 2) != 0 {
			s.fail(p.at, "change head_dim or fraction, or write rope: none", "rope rotates %s of %d head dims: want an even number", format(dims), a.HeadDim)
		}
	}
	a.Bias = s.bool("bias", false)
	return a
}

func (a *Attention) yaml() string {
	rope := "none"
	if a.Rope != nil {
		rope = fmt.Sprintf("{base: %s, fraction: %s, interleaved: %v}", format(a.Rope.Base), format(a.Rope.Fraction), a.Rope.Interleaved)
	}
	return fmt.Sprintf("{heads: %d, kv_heads: %d, head_dim: %d, rope: %s, bias: %v}", a.Heads, a.KVHeads, a.HeadDim, rope, a.Bias)
}

func (a *Attention) over(dModel int64) bool { return over(maxWeight, dModel, a.Heads, a.HeadDim) }

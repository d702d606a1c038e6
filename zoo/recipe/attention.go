package recipe

import (
	"fmt"
	"strconv"
)

// Attention is causal softmax attention, multi-head or grouped.
type Attention struct {
	Heads   int64   // query heads
	KVHeads int64   // divides Heads; default Heads
	HeadDim int64   // default DModel/Heads
	Rope    *Rope   // nil for none
	Window  int64   // tokens that each sees, itself included; 0, written none, for all
	Scale   float64 // of the scores; 0, written auto, is HeadDim^−½
	QKNorm  *Norm   // of each head of q and k; nil for none
	Gate    bool    // the result is multiplied by a sigmoid of the input, false
	Bias    Biases  // none
}

// Biases says which of attention's projections have one.
type Biases string

// Biases of all four projections, of those to q, k and v, as Qwen has them, or of the one
// back, as RecurrentGemma has it.
const (
	NoBias  Biases = "false"
	AllBias Biases = "true"
	QKVBias Biases = "qkv"
	OutBias Biases = "out"
)

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
	a.Rope = readRope(s, a.HeadDim)
	if n := s.get("window"); n != nil && n.text != "none" {
		a.Window = s.integer(n, "window", 1)
	}
	if n := s.get("scale"); n != nil && n.text != "auto" {
		a.Scale = s.number(n, "scale", 1e-9, 1e9)
	}
	if n := s.get("qk_norm"); n != nil && n.text != "none" {
		norm := readNorm(s.reader, n, Norm{Kind: RMSNorm, Eps: 1e-6})
		a.QKNorm = &norm
	}
	a.Gate = s.bool("gate", false)
	a.Bias = choice(s, "bias", NoBias, NoBias, AllBias, QKVBias, OutBias)
	return a
}

func (a *Attention) yaml() string {
	window, scale, norm := "none", "auto", "none"
	if a.Window > 0 {
		window = strconv.FormatInt(a.Window, 10)
	}
	if a.Scale != 0 {
		scale = format(a.Scale)
	}
	if a.QKNorm != nil {
		norm = a.QKNorm.yaml()
	}
	return fmt.Sprintf("{heads: %d, kv_heads: %d, head_dim: %d, rope: %s, window: %s, scale: %s, qk_norm: %s, gate: %v, bias: %s}",
		a.Heads, a.KVHeads, a.HeadDim, a.Rope.yaml(), window, scale, norm, a.Gate, a.Bias)
}

func (a *Attention) over(dModel int64) bool { return over(maxWeight, dModel, a.Heads, a.HeadDim, 2) }

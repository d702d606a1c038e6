package recipe

import (
	"fmt"
	"math"
)

// Rope is rotary position embedding (arXiv 2104.09864).
type Rope struct {
	Base        float64 // 10000
	Fraction    float64 // of HeadDim that is rotated, 1
	Interleaved bool    // pairs (2i, 2i+1) instead of halves, false
	Scaling     *RopeScaling
}

// RopeScaling slows rotations down, so that a model sees further than it was first trained
// to; nil for none.
type RopeScaling struct {
	Kind   RopeScalingKind
	Factor float64 // by which frequencies are divided
	// Llama3 leaves those alone that turn at least High times within Original tokens, divides
	// those that turn at most Low times, and mixes between.
	Low, High float64 // 1, 4
	Original  int64
}

// RopeScalingKind says which frequencies are divided.
type RopeScalingKind string

// Scalings: of all frequencies (arXiv 2306.15595), and of the slow ones, as in Llama 3.1.
const (
	LinearScaling RopeScalingKind = "linear"
	Llama3Scaling RopeScalingKind = "llama3"
)

func readRope(s *section, headDim int64) *Rope {
	n := s.get("rope")
	if n != nil && n.kind == scalarNode && n.text == "none" {
		return nil
	}
	p := s.section(n, s.at, "rope")
	r := &Rope{Base: p.float("base", 10000, 1, math.Inf(1)), Fraction: p.float("fraction", 1, 0, 1), Interleaved: p.bool("interleaved", false)}
	r.Scaling = readRopeScaling(p)
	p.done()
	if dims := r.Fraction * float64(headDim); dims < 2 || math.Mod(dims, 2) != 0 {
		s.fail(p.at, "change head_dim or fraction, or write rope: none", "rope rotates %s of %d head dims: want an even number", format(dims), headDim)
	}
	return r
}

// readRopeScaling reads {kind, factor, low, high, original}, or none.
func readRopeScaling(s *section) *RopeScaling {
	n := s.get("scaling")
	if n == nil || n.kind == nullNode || n.kind == scalarNode && n.text == "none" {
		return nil
	}
	p := s.section(n, s.at, "scaling")
	x := &RopeScaling{Kind: choice(p, "kind", LinearScaling, LinearScaling, Llama3Scaling), Factor: p.float("factor", 0, 1, 1e6)}
	if x.Kind == Llama3Scaling {
		x.Low, x.High, x.Original = p.float("low", 1, 1e-3, 1e6), p.float("high", 4, 1e-3, 1e6), p.int("original", 0, 1)
	}
	p.missing = func() {
		switch {
		case x.Factor == 0:
			p.fail(p.at, "", "scaling needs a factor")
		case x.Kind == Llama3Scaling && x.Original == 0:
			p.fail(p.at, "", "scaling of kind llama3 needs original, the tokens that the model first saw")
		case x.Kind == Llama3Scaling && x.High <= x.Low:
			p.fail(p.at, "", "scaling: high %s is not above low %s", format(x.High), format(x.Low))
		}
	}
	p.done()
	return x
}

func (r *Rope) yaml() string {
	if r == nil {
		return "none"
	}
	scaling := ""
	if x := r.Scaling; x != nil && x.Kind == Llama3Scaling {
		scaling = fmt.Sprintf(", scaling: {kind: llama3, factor: %s, low: %s, high: %s, original: %d}", format(x.Factor), format(x.Low), format(x.High), x.Original)
	} else if x != nil {
		scaling = fmt.Sprintf(", scaling: {kind: %s, factor: %s}", x.Kind, format(x.Factor))
	}
	return fmt.Sprintf("{base: %s, fraction: %s, interleaved: %v%s}", format(r.Base), format(r.Fraction), r.Interleaved, scaling)
}

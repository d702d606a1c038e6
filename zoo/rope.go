package zoo

import (
	"math"

	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// rope is how heads are rotated, nil for not at all.
func rope(x *recipe.Rope, headDim int64) *op.RopeSpec {
	if x == nil {
		return nil
	}
	s := &op.RopeSpec{Base: x.Base, Dims: int64(x.Fraction * float64(headDim)), Interleaved: x.Interleaved}
	if x.Scaling != nil {
		s.Scale = make([]float32, s.Dims/2)
		for i := range s.Scale {
			f := math.Pow(s.Base, -2*float64(i)/float64(s.Dims)) // radians a token
			s.Scale[i] = float32(ropeScale(x.Scaling, float64(x.Scaling.Original)*f/(2*math.Pi)))
		}
	}
	return s
}

// ropeScale is what multiplies a frequency that turns so many times within the original
// context (huggingface/transformers, modeling_rope_utils.py).
func ropeScale(x *recipe.RopeScaling, turns float64) float64 {
	if x.Kind == recipe.LinearScaling {
		return 1 / x.Factor
	}
	kept := min(max((turns-x.Low)/(x.High-x.Low), 0), 1)
	return kept + (1-kept)/x.Factor
}

package op

import (
	"fmt"
	"math"

	"github.com/moezoo/moezoo/graph"
)

// RopeSpec says how positions rotate a head (arXiv 2104.09864).
type RopeSpec struct {
	Base        float64 // of the frequencies base^(−2i/Dims), 10000 in the paper
	Dims        int64   // how many of the head's first dims are rotated
	Interleaved bool    // pairs (2i, 2i+1) instead of (i, i + Dims/2)
	// Scale multiplies each of the Dims/2 frequencies, for models that stretch their context;
	// nil for none.
	Scale []float32
}

// Rope rotates x [B, L, H, Dh] by the positions offset + t; offset is an int64 scalar or
// nil for 0.
func Rope(x, offset Value, spec RopeSpec) Value {
	attrs := graph.Attrs{"base": float32(spec.Base), "dims": spec.Dims}
	if spec.Interleaved {
		attrs["interleaved"] = int64(1)
	}
	if spec.Scale != nil {
		attrs["scale"] = spec.Scale
	}
	return one(rope, attrs, x, offset)
}

var rope *graph.Op

func init() {
	rope = graph.Register(&graph.Op{
		Name: "Rope", Domain: graph.Domain, Since: 1,
		Doc:     "each pair (a, b) of head dims becomes (a·cos θ − b·sin θ, a·sin θ + b·cos θ), θ = (offset + t)·base^(−2i/dims)·scale[i]",
		Inputs:  []graph.Arg{{Name: "x", Doc: "[B, L, H, Dh]"}, {Name: "offset", Doc: "int64 scalar, 0 when absent", Optional: true}},
		Outputs: []graph.Arg{{Name: "y", Doc: "[B, L, H, Dh]"}},
		Attrs: []graph.Attr{
			{Name: "base", Kind: graph.FloatAttr, Doc: "10000 by default"},
			{Name: "dims", Kind: graph.IntAttr, Doc: "rotated head dims, even", Required: true},
			{Name: "interleaved", Kind: graph.IntAttr, Doc: "1: pairs (2i, 2i+1)"},
			{Name: "scale", Kind: graph.FloatsAttr, Doc: "[dims/2], 1 by default"},
			{Name: "inverse", Kind: graph.IntAttr, Doc: "1: rotate backwards, which is the gradient"},
		},
		Infer: func(c *graph.Infer) error {
			if err := c.Want(0, graph.Float32, 4); err != nil {
				return err
			}
			if err := c.Want(1, graph.Int64, 0); err != nil {
				return err
			}
			dims := c.Int("dims", 0)
			if dh, ok := c.Shape(0)[3].Int(); !ok || dims < 0 || dims%2 != 0 || dims > dh {
				return fmt.Errorf("dims = %d: want an even number up to the head width of %v", dims, c.Shape(0))
			}
			if n := int64(len(c.Floats("scale"))); n > 0 && n != dims/2 {
				return fmt.Errorf("scale has %d numbers, want %d, one for each frequency", n, dims/2)
			}
			return sameAsInput(c)
		},
		Grad: func(c *graph.Grad) []Value {
			attrs := graph.Attrs{"inverse": 1 - c.Int("inverse", 0)}
			for k, v := range c.Attrs {
				if k != "inverse" {
					attrs[k] = v
				}
			}
			return []Value{one(rope, attrs, c.DOut[0], c.In(1)), nil}
		},
		Lower:   lowerRope,
		InPlace: []int{0},
	})
}

func lowerRope(c *graph.Lower) []Value {
	x := c.In(0)
	dims, dh := c.Int("dims", 0), intDim(x, 3)
	half := dims / 2
	if half == 0 {
		return []Value{x}
	}
	freq := make([]float32, half)
	for i := range freq {
		f := math.Pow(float64(c.Float("base", 10000)), -2*float64(i)/float64(dims))
		if scale := c.Floats("scale"); len(scale) > 0 {
			f *= float64(scale[i])
		}
		freq[i] = float32(f)
	}
	zero, one := c.G.Int64(0), c.G.Int64(1)
	position := Range(zero, Squeeze(Slice(ShapeOf(x), 0, 1, 2), 0), one)
	if c.In(1) != nil {
		position = Add(position, c.In(1))
	}
	angle := Mul(Unsqueeze(Cast(position, graph.Float32), 1, 2), c.G.Const("freq", graph.Floats([]int{int(half)}, freq...))) // [L, 1, half]
	cos, sin := Cos(angle), Sin(angle)
	if c.Int("inverse", 0) == 1 {
		sin = Neg(sin)
	}
	var a, b Value
	if c.Int("interleaved", 0) == 1 {
		pairs := Reshape(Slice(x, 3, 0, dims), 0, 0, 0, half, 2) // [B, L, H, half, 2]
		a, b = Squeeze(Slice(pairs, 4, 0, 1), 4), Squeeze(Slice(pairs, 4, 1, 2), 4)
	} else {
		a, b = Slice(x, 3, 0, half), Slice(x, 3, half, dims)
	}
	ra, rb := Sub(Mul(a, cos), Mul(b, sin)), Add(Mul(a, sin), Mul(b, cos))
	var y Value
	if c.Int("interleaved", 0) == 1 {
		y = Reshape(Concat(4, Unsqueeze(ra, 4), Unsqueeze(rb, 4)), 0, 0, 0, dims)
	} else {
		y = Concat(3, ra, rb)
	}
	if dims < dh {
		y = Concat(3, y, Slice(x, 3, dims, dh))
	}
	return []Value{y}
}

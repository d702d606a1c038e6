package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// Concat joins values along an axis.
func Concat(axis int64, xs ...Value) Value { return one(concat, axisAttr(axis), xs...) }

var concat *graph.Op

func init() {
	concat = graph.Register(&graph.Op{
		Name: "Concat", Since: 13, Doc: "y = x₀, x₁, … one after the other along axis",
		Inputs:  []graph.Arg{{Name: "x", Doc: "equal extents but for the axis", Variadic: true}},
		Outputs: []graph.Arg{{Name: "y", Doc: "the extents along axis added up"}},
		Attrs:   []graph.Attr{{Name: "axis", Kind: graph.IntAttr, Doc: "axis to join along", Required: true}},
		Infer:   inferConcat,
		Grad:    gradConcat,
	})
}

func inferConcat(c *graph.Infer) error {
	if c.N() == 0 {
		return fmt.Errorf("needs at least one input")
	}
	axis, err := c.Shape(0).Axis(c.Int("axis", 0))
	if err != nil {
		return err
	}
	out := append(graph.Shape(nil), c.Shape(0)...)
	content, known := c.Content(0)
	content = append([]graph.Dim(nil), content...)
	for i := 1; i < c.N(); i++ {
		s := c.Shape(i)
		if c.DType(i) != c.DType(0) || len(s) != len(out) {
			return fmt.Errorf("input %d is %v%v, input 0 %v%v", i, c.DType(i), s, c.DType(0), c.Shape(0))
		}
		for j := range out {
			if j == axis {
				out[j] = out[j].Add(s[j])
			} else if !out[j].Equal(s[j]) {
				return fmt.Errorf("input %d is %v, input 0 %v: axis %d differs", i, s, c.Shape(0), j)
			}
		}
		more, ok := c.Content(i)
		known, content = known && ok, append(content, more...)
	}
	c.Out(0, c.DType(0), out)
	if known && len(out) == 1 {
		c.SetContent(0, content)
	}
	return nil
}

func gradConcat(c *graph.Grad) []Value {
	axis, dy := c.Int("axis", 0), c.DOut[0]
	if len(c.Inputs) == 1 {
		return []Value{dy}
	}
	sizes := make([]Value, len(c.Inputs))
	fixed := make([]int64, len(c.Inputs))
	numbers := true
	for i, x := range c.Inputs {
		n, ok := x.Dim(int(axis)).Int()
		fixed[i], numbers = n, numbers && ok
	}
	if numbers {
		return Split(dy, axis, fixed...)
	}
	for i, x := range c.Inputs {
		sizes[i] = Extent(x, axis)
	}
	return SplitSizes(dy, Concat(0, sizes...), axis, len(c.Inputs))
}

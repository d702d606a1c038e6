package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// Cast converts elements to another type. Floats become integers by truncation.
func Cast(x Value, to graph.DType) Value {
	return one(cast, graph.Attrs{"to": int64(to)}, x)
}

var cast *graph.Op

func init() {
	cast = graph.Register(&graph.Op{
		Name: "Cast", Since: 13, Doc: "y = x in another element type; floats become integers by truncation, numbers bools by ≠ 0",
		Inputs:  []graph.Arg{{Name: "x", Doc: "any shape"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "shape of x"}},
		Attrs: []graph.Attr{
			{Name: "to", Kind: graph.IntAttr, Doc: "number of the element type in ONNX", Required: true},
			{Name: "saturate", Kind: graph.IntAttr, Doc: "without effect here: it is about 8-bit floats"},
			{Name: "round_mode", Kind: graph.StringAttr, Doc: "without effect here: it is about 8-bit floats"},
		},
		Infer: func(c *graph.Infer) error {
			to := graph.DType(c.Int("to", 0))
			if to.Size() == 0 || c.DType(0).Size() == 0 {
				return fmt.Errorf("from %v to %v: only numbers and bools can be cast", c.DType(0), to)
			}
			c.Out(0, to, c.Shape(0))
			if content, ok := c.Content(0); ok && (to == graph.Int64 || to == graph.Int32) {
				c.SetContent(0, content)
			}
			return nil
		},
		Grad: func(c *graph.Grad) []Value {
			if !c.In(0).Type.DType.IsFloat() {
				return []Value{nil}
			}
			if d := c.DOut[0]; d.Type.DType == c.In(0).Type.DType {
				return []Value{d} // of what was rounded for a product the gradient is float32
			}
			return []Value{Cast(c.DOut[0], c.In(0).Type.DType)}
		},
	})
}

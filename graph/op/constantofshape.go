package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// ConstantOfShape is a tensor of a computed shape, int64 [rank], filled with the only
// element of value.
func ConstantOfShape(shape Value, value *graph.Tensor) Value {
	return one(constantOfShape, graph.Attrs{"value": value}, shape)
}

// ZerosLike is 0 in the type and shape of x.
func ZerosLike(x Value) Value {
	t := &graph.Tensor{DType: x.Type.DType, Shape: []int{1}, Data: make([]byte, x.Type.DType.Size())}
	return ConstantOfShape(ShapeOf(x), t)
}

var constantOfShape *graph.Op

func init() {
	constantOfShape = graph.Register(&graph.Op{
		Name: "ConstantOfShape", Since: 9, Doc: "y = value everywhere",
		Inputs:  []graph.Arg{{Name: "shape", Doc: "int64 [rank of y]"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "of that shape"}},
		Attrs:   []graph.Attr{{Name: "value", Kind: graph.TensorAttr, Doc: "one element, float32 0 by default"}},
		Infer: func(c *graph.Infer) error {
			if err := c.Want(0, graph.Int64, 1); err != nil {
				return err
			}
			value := c.Tensor("value")
			if value == nil {
				value = graph.Floats([]int{1}, 0)
			}
			if value.Elements() != 1 {
				return fmt.Errorf("value has %d elements, want 1", value.Elements())
			}
			shape, ok := c.Content(0)
			if !ok {
				return fmt.Errorf("the shape must be known while the graph is built")
			}
			c.Out(0, value.DType, shape)
			if n, ok := graph.Shape(shape).Elements().Int(); ok && len(shape) == 1 && n <= 64 && value.DType.IsInt() {
				if v, err := value.Int64s(); err == nil {
					content := make([]graph.Dim, n)
					for i := range content {
						content[i] = graph.Const(v[0])
					}
					c.SetContent(0, content)
				}
			}
			return nil
		},
		NoGrad: "it depends on no float",
	})
}

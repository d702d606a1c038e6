package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

func init() {
	graph.Register(&graph.Op{
		Name: "Constant", Since: 13, Doc: "y = the given data; graphs built here hold constants as values instead (graph.Graph.Const)",
		Outputs: []graph.Arg{{Name: "y", Doc: "as the attribute says"}},
		Attrs: []graph.Attr{
			{Name: "value", Kind: graph.TensorAttr, Doc: "a tensor"},
			{Name: "value_float", Kind: graph.FloatAttr, Doc: "a float32 scalar"},
			{Name: "value_floats", Kind: graph.FloatsAttr, Doc: "a float32 vector"},
			{Name: "value_int", Kind: graph.IntAttr, Doc: "an int64 scalar"},
			{Name: "value_ints", Kind: graph.IntsAttr, Doc: "an int64 vector"},
		},
		Infer: func(c *graph.Infer) error {
			t, err := ConstantData(c.Node)
			if err != nil {
				return err
			}
			var shape graph.Shape
			for _, d := range t.Shape {
				shape = append(shape, graph.Const(int64(d)))
			}
			c.Out(0, t.DType, shape)
			c.SetContent(0, graph.ContentOf(t))
			return nil
		},
		NoGrad: "it has no input",
	})
}

// ConstantData is the data of a Constant node.
func ConstantData(n *graph.Node) (*graph.Tensor, error) {
	switch {
	case n.Has("value"):
		return n.Tensor("value"), nil
	case n.Has("value_float"):
		return graph.Floats(nil, n.Float("value_float", 0)), nil
	case n.Has("value_floats"):
		v := n.Floats("value_floats")
		return graph.Floats([]int{len(v)}, v...), nil
	case n.Has("value_int"):
		return graph.Ints(nil, n.Int("value_int", 0)), nil
	case n.Has("value_ints"):
		v := n.Ints("value_ints")
		return graph.Ints([]int{len(v)}, v...), nil
	}
	return nil, fmt.Errorf("has none of the attributes value, value_float, value_floats, value_int, value_ints")
}

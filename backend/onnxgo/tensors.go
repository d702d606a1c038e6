package onnxgo

import (
	"fmt"

	"gorgonia.org/tensor"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
)

// fromTensor copies a gorgonia tensor.
func fromTensor(t tensor.Tensor) (*backend.Tensor, error) {
	shape := append([]int(nil), t.Shape()...)
	switch v := t.Data().(type) {
	case []float32:
		return filled(graph.Float32, shape, v)
	case float32:
		return filled(graph.Float32, shape, []float32{v})
	case []float64:
		return filled(graph.Float64, shape, v)
	case float64:
		return filled(graph.Float64, shape, []float64{v})
	case []int64:
		return filled(graph.Int64, shape, v)
	case int64:
		return filled(graph.Int64, shape, []int64{v})
	case []int32:
		return filled(graph.Int32, shape, v)
	case int32:
		return filled(graph.Int32, shape, []int32{v})
	case []bool:
		return filled(graph.Bool, shape, v)
	case bool:
		return filled(graph.Bool, shape, []bool{v})
	}
	return nil, fmt.Errorf("a tensor of %v", t.Dtype())
}

func filled[T any](dtype graph.DType, shape []int, v []T) (*backend.Tensor, error) {
	t := backend.NewTensor(dtype, shape...)
	if t.Elements() != len(v) {
		return nil, fmt.Errorf("a tensor of shape %v with %d elements", shape, len(v))
	}
	copy(backend.As[T](t), v)
	return t, nil
}

// toTensor copies into a gorgonia tensor.
func toTensor(t *backend.Tensor) (tensor.Tensor, error) {
	var data any
	switch t.DType {
	case graph.Float32:
		data = append([]float32(nil), t.F32()...)
	case graph.Float64:
		data = append([]float64(nil), backend.As[float64](t)...)
	case graph.Int64:
		data = append([]int64(nil), t.I64()...)
	case graph.Int32:
		data = append([]int32(nil), backend.As[int32](t)...)
	case graph.Bool:
		data = append([]bool(nil), backend.As[bool](t)...)
	default:
		return nil, fmt.Errorf("a result of %v has no onnx-go tensor", t.DType)
	}
	return tensor.New(tensor.WithShape(t.Shape...), tensor.WithBacking(data)), nil
}

//go:build cgo

package ort

import (
	"fmt"
	"reflect"
	"slices"

	binding "github.com/yalue/onnxruntime_go"
)

// newValue wraps a tensor for the runtime. Nothing is copied but scalars: the runtime reads and writes the tensor's own slice.
func newValue(t Tensor) (binding.Value, error) {
	switch t.DType() {
	case Float32:
		return wrap(t.Shape, t.F32)
	case Float64:
		return wrap(t.Shape, t.F64)
	case Int64:
		return wrap(t.Shape, t.I64)
	case Int32:
		return wrap(t.Shape, t.I32)
	case Bool:
		return wrap(t.Shape, t.Bool)
	}
	return nil, fmt.Errorf("tensor without data")
}

func wrap[T binding.TensorData](shape []int64, data []T) (binding.Value, error) {
	if len(shape) > 0 {
		return binding.NewTensor(binding.Shape(shape), data)
	}
	return binding.NewScalar(data[0]) // a copy: an output scalar is read back by readValue
}

// readValue takes the data out of a value that the runtime made. The slice is the value's own and outlives it.
func readValue(v binding.Value) (Tensor, error) {
	if v.GetONNXType() != binding.ONNXTypeTensor {
		return Tensor{}, fmt.Errorf("is not a tensor")
	}
	t := Tensor{Shape: slices.Clone([]int64(v.GetShape()))}
	switch v := v.(type) {
	case *binding.Tensor[float32]:
		t.F32 = v.GetData()
	case *binding.Tensor[float64]:
		t.F64 = v.GetData()
	case *binding.Tensor[int64]:
		t.I64 = v.GetData()
	case *binding.Tensor[int32]:
		t.I32 = v.GetData()
	case *binding.Tensor[bool]:
		t.Bool = v.GetData()
	case *binding.Scalar[float32]:
		t.F32 = []float32{v.GetData()}
	case *binding.Scalar[float64]:
		t.F64 = []float64{v.GetData()}
	case *binding.Scalar[int64]:
		t.I64 = []int64{v.GetData()}
	case *binding.Scalar[int32]:
		t.I32 = []int32{v.GetData()}
	case *binding.Scalar[bool]:
		t.Bool = []bool{v.GetData()}
	default:
		return t, fmt.Errorf("has element type %s, which is not supported here", DType(v.DataType()))
	}
	return t, nil
}

// destroyAll frees what has been made of a list. After an output that it cannot hold, the binding leaves a nil pointer inside the
// interface, on which Destroy would panic.
func destroyAll(vs []binding.Value) {
	for i, v := range vs {
		if v != nil && !reflect.ValueOf(v).IsNil() {
			v.Destroy()
			vs[i] = nil
		}
	}
}

package ort

import (
	"fmt"
	"math"
	"strings"
)

// DType is the element type of a tensor, numbered as in ONNX's TensorProto.DataType.
type DType int32

// The element types that [Tensor] can hold. A model may declare others (they are named in errors), but not run here with them.
const (
	Float32 DType = 1
	Int32   DType = 6
	Int64   DType = 7
	Bool    DType = 9
	Float64 DType = 11
)

var dtypeNames = map[DType]string{
	0: "undefined", 1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string",
	9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16",
}

// String gives the type's name as numpy and Go spell it.
func (d DType) String() string {
	if s, ok := dtypeNames[d]; ok {
		return s
	}
	return fmt.Sprintf("element type %d", int32(d))
}

// Tensor is a dense row-major tensor in Go memory. Exactly one data slice is not nil; it tells the element type, and has as
// many elements as Shape says. An empty Shape is a scalar (one element); a zero in it makes an empty tensor, whose slice is
// empty but not nil.
type Tensor struct {
	Shape []int64
	F32   []float32
	F64   []float64
	I64   []int64
	I32   []int32
	Bool  []bool
}

// DType tells the element type, or 0 when no data slice is set.
func (t Tensor) DType() DType {
	switch {
	case t.F32 != nil:
		return Float32
	case t.F64 != nil:
		return Float64
	case t.I64 != nil:
		return Int64
	case t.I32 != nil:
		return Int32
	case t.Bool != nil:
		return Bool
	}
	return 0
}

// Len is the number of elements held.
func (t Tensor) Len() int { return len(t.F32) + len(t.F64) + len(t.I64) + len(t.I32) + len(t.Bool) }

// check reports a tensor whose slices and shape do not fit together.
func (t Tensor) check() error {
	set := 0
	for _, has := range []bool{t.F32 != nil, t.F64 != nil, t.I64 != nil, t.I32 != nil, t.Bool != nil} {
		if has {
			set++
		}
	}
	if set != 1 {
		return fmt.Errorf("%d data slices are set, expected exactly one (an empty tensor needs an empty slice, not nil)", set)
	}
	n, err := elements(t.Shape)
	if err != nil {
		return err
	}
	if n != t.Len() {
		return fmt.Errorf("shape %v has %d elements, but the data has %d", t.Shape, n, t.Len())
	}
	return nil
}

// elements multiplies a shape out; 1 for a scalar.
func elements(shape []int64) (int, error) {
	n := int64(1)
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("shape %v has a negative dimension", shape)
		}
		if d > 0 && n > math.MaxInt32*int64(64)/d {
			return 0, fmt.Errorf("shape %v has too many elements", shape)
		}
		n *= d
	}
	return int(n), nil
}

// makeTensor allocates a zeroed tensor; only the five types of this package can be made.
func makeTensor(d DType, shape []int64) (Tensor, error) {
	n, err := elements(shape)
	if err != nil {
		return Tensor{}, err
	}
	t := Tensor{Shape: append([]int64{}, shape...)}
	switch d {
	case Float32:
		t.F32 = make([]float32, n)
	case Float64:
		t.F64 = make([]float64, n)
	case Int64:
		t.I64 = make([]int64, n)
	case Int32:
		t.I32 = make([]int32, n)
	case Bool:
		t.Bool = make([]bool, n)
	default:
		return Tensor{}, fmt.Errorf("element type %s is not supported here (float32, float64, int64, int32, bool are)", d)
	}
	return t, nil
}

// IOInfo describes one input or output of a model.
type IOInfo struct {
	Name  string
	DType DType
	// Dims has -1 for each dimension that is not a number in the file; nil with HasShape set is a scalar.
	Dims []int64
	// Symbols has the name of each symbolic dimension ("batch_size"), "" elsewhere; as long as Dims.
	Symbols []string
	// HasShape is false when the file does not tell even the rank.
	HasShape bool
}

// ShapeString spells the shape as the file does: "[batch_size, 4, ?]".
func (i IOInfo) ShapeString() string {
	if !i.HasShape {
		return "[unknown rank]"
	}
	parts := make([]string, len(i.Dims))
	for k, d := range i.Dims {
		switch {
		case d >= 0:
			parts[k] = fmt.Sprint(d)
		case i.Symbols[k] != "":
			parts[k] = i.Symbols[k]
		default:
			parts[k] = "?"
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// accepts reports why a tensor cannot be fed to this input.
func (i IOInfo) accepts(t Tensor) error {
	if err := t.check(); err != nil {
		return err
	}
	if t.DType() != i.DType {
		return fmt.Errorf("is %s, the model expects %s", t.DType(), i.DType)
	}
	if !i.HasShape {
		return nil
	}
	fits := len(t.Shape) == len(i.Dims)
	for k := 0; fits && k < len(i.Dims); k++ {
		fits = i.Dims[k] < 0 || i.Dims[k] == t.Shape[k]
	}
	if !fits {
		return fmt.Errorf("has shape %v, the model expects %s", t.Shape, i.ShapeString())
	}
	return nil
}

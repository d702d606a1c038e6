package graph

import (
	"fmt"
	"strings"
)

// DType is an element type. The numbers are those of ONNX TensorProto.DataType.
type DType int32

// Element types. String and the complex types are read from files only to be
// refused by name.
const (
	InvalidType DType = 0
	Float32     DType = 1
	Uint8       DType = 2
	Int8        DType = 3
	Uint16      DType = 4
	Int16       DType = 5
	Int32       DType = 6
	Int64       DType = 7
	String      DType = 8
	Bool        DType = 9
	Float16     DType = 10
	Float64     DType = 11
	Uint32      DType = 12
	Uint64      DType = 13
	BFloat16    DType = 16
)

var dtypes = map[DType]struct {
	name string
	size int
}{
	Float32: {"float32", 4}, Uint8: {"uint8", 1}, Int8: {"int8", 1}, Uint16: {"uint16", 2}, Int16: {"int16", 2},
	Int32: {"int32", 4}, Int64: {"int64", 8}, String: {"string", 0}, Bool: {"bool", 1}, Float16: {"float16", 2},
	Float64: {"float64", 8}, Uint32: {"uint32", 4}, Uint64: {"uint64", 8}, BFloat16: {"bfloat16", 2},
}

// Size is the number of bytes of one element, 0 when it has no fixed size.
func (t DType) Size() int { return dtypes[t].size }

// String is the numpy-style name.
func (t DType) String() string {
	if d, ok := dtypes[t]; ok {
		return d.name
	}
	return fmt.Sprintf("dtype(%d)", int32(t))
}

// IsFloat reports whether gradients can flow through values of this type.
func (t DType) IsFloat() bool {
	return t == Float32 || t == Float64 || t == Float16 || t == BFloat16
}

// IsInt reports whether the type is a signed or unsigned integer.
func (t DType) IsInt() bool {
	switch t {
	case Uint8, Int8, Uint16, Int16, Int32, Int64, Uint32, Uint64:
		return true
	}
	return false
}

// Shape is a list of extents, outermost first. A nil Shape is a scalar.
type Shape []Dim

// ShapeOf makes a shape of numbers, symbols (strings) and dims.
func ShapeOf(dims ...any) Shape {
	s := make(Shape, len(dims))
	for i, d := range dims {
		switch d := d.(type) {
		case Dim:
			s[i] = d
		case int:
			s[i] = Const(int64(d))
		case int64:
			s[i] = Const(d)
		case string:
			s[i] = Symbol(d)
		default:
			panic(fmt.Sprintf("graph: ShapeOf: %T is no dimension", d))
		}
	}
	return s
}

// Equal reports whether both shapes have structurally equal extents.
func (s Shape) Equal(t Shape) bool {
	if len(s) != len(t) {
		return false
	}
	for i := range s {
		if !s[i].Equal(t[i]) {
			return false
		}
	}
	return true
}

// Elements is the product of all extents.
func (s Shape) Elements() Dim {
	n := Const(1)
	for _, d := range s {
		n = n.Mul(d)
	}
	return n
}

// Ints is the shape as numbers; ok is false while a symbol is unbound.
func (s Shape) Ints() (ints []int, ok bool) {
	ints = make([]int, len(s))
	for i, d := range s {
		n, ok := d.Int()
		if !ok {
			return nil, false
		}
		ints[i] = int(n)
	}
	return ints, true
}

// Bind replaces symbols by numbers.
func (s Shape) Bind(env map[string]int64) Shape {
	out := make(Shape, len(s))
	for i, d := range s {
		out[i] = d.Bind(env)
	}
	return out
}

// Axis turns a possibly negative axis into 0 … rank−1.
func (s Shape) Axis(axis int64) (int, error) {
	r := int64(len(s))
	if axis < -r || axis >= r {
		return 0, fmt.Errorf("axis %d is outside of %v (rank %d)", axis, s, r)
	}
	if axis < 0 {
		axis += r
	}
	return int(axis), nil
}

// String writes "[B, L, 128]".
func (s Shape) String() string {
	parts := make([]string, len(s))
	for i, d := range s {
		parts[i] = d.String()
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// Type is what inference knows of a value.
type Type struct {
	DType DType
	Shape Shape
}

// String writes "float32[B, L, 128]".
func (t Type) String() string { return t.DType.String() + t.Shape.String() }

package graph

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Tensor is constant data in a graph: elements in row-major order, little-endian.
type Tensor struct {
	DType DType
	Shape []int
	Data  []byte
}

// Elements is the product of the shape.
func (t *Tensor) Elements() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Floats makes a float32 tensor.
func Floats(shape []int, v ...float32) *Tensor {
	t := &Tensor{DType: Float32, Shape: shape, Data: make([]byte, 0, 4*len(v))}
	for _, x := range v {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(x))
	}
	t.mustFit(len(v))
	return t
}

// Ints makes an int64 tensor. With a nil shape it is a scalar.
func Ints(shape []int, v ...int64) *Tensor {
	t := &Tensor{DType: Int64, Shape: shape, Data: make([]byte, 0, 8*len(v))}
	for _, x := range v {
		t.Data = binary.LittleEndian.AppendUint64(t.Data, uint64(x))
	}
	t.mustFit(len(v))
	return t
}

// Bools makes a bool tensor.
func Bools(shape []int, v ...bool) *Tensor {
	t := &Tensor{DType: Bool, Shape: shape, Data: make([]byte, len(v))}
	for i, x := range v {
		if x {
			t.Data[i] = 1
		}
	}
	t.mustFit(len(v))
	return t
}

func (t *Tensor) mustFit(n int) {
	if t.Elements() != n {
		panic(fmt.Sprintf("graph: %d elements for shape %v", n, t.Shape))
	}
}

// Int64s decodes an integer or bool tensor.
func (t *Tensor) Int64s() ([]int64, error) {
	out := make([]int64, t.Elements())
	for i := range out {
		switch t.DType {
		case Int64, Uint64:
			out[i] = int64(binary.LittleEndian.Uint64(t.Data[8*i:]))
		case Int32:
			out[i] = int64(int32(binary.LittleEndian.Uint32(t.Data[4*i:])))
		case Uint32:
			out[i] = int64(binary.LittleEndian.Uint32(t.Data[4*i:]))
		case Int8:
			out[i] = int64(int8(t.Data[i]))
		case Int16:
			out[i] = int64(int16(binary.LittleEndian.Uint16(t.Data[2*i:])))
		case Uint16:
			out[i] = int64(binary.LittleEndian.Uint16(t.Data[2*i:]))
		case Uint8, Bool:
			out[i] = int64(t.Data[i])
		default:
			return nil, fmt.Errorf("%v tensor where integers are expected", t.DType)
		}
	}
	return out, nil
}

// Float32s decodes a float32 or float64 tensor.
func (t *Tensor) Float32s() ([]float32, error) {
	out := make([]float32, t.Elements())
	for i := range out {
		switch t.DType {
		case Float32:
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
		case Float64:
			out[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(t.Data[8*i:])))
		default:
			return nil, fmt.Errorf("%v tensor where float32 is expected", t.DType)
		}
	}
	return out, nil
}

// Float64s decodes a float32 or float64 tensor without loss.
func (t *Tensor) Float64s() ([]float64, error) {
	out := make([]float64, t.Elements())
	for i := range out {
		switch t.DType {
		case Float32:
			out[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:])))
		case Float64:
			out[i] = math.Float64frombits(binary.LittleEndian.Uint64(t.Data[8*i:]))
		default:
			return nil, fmt.Errorf("%v tensor where floats are expected", t.DType)
		}
	}
	return out, nil
}

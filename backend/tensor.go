package backend

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/moezoo/moezoo/graph"
)

// Align is the alignment in bytes of every tensor's data.
const Align = 64

// Tensor is a dense row-major array at run time. Data is aligned to Align bytes. An
// optional output that nothing reads has nil Data: kernels skip it.
type Tensor struct {
	DType graph.DType
	Shape []int
	Data  []byte
}

// NewTensor allocates a zeroed tensor.
func NewTensor(dtype graph.DType, shape ...int) *Tensor {
	t := &Tensor{DType: dtype, Shape: shape}
	t.Data = AlignedBytes(t.Elements() * dtype.Size())
	return t
}

// AlignedBytes allocates n zeroed bytes whose first is aligned to Align; the result is
// never nil.
func AlignedBytes(n int) []byte {
	words := make([]uint64, (n+Align)/8+1)
	p := unsafe.Pointer(unsafe.SliceData(words))
	skip := (Align - int(uintptr(p)%Align)) % Align
	b := unsafe.Slice((*byte)(unsafe.Add(p, skip)), n+1)[:n:n]
	preferHugePages(b)
	return b
}

// FromGraph copies constant data.
func FromGraph(t *graph.Tensor) *Tensor {
	out := NewTensor(t.DType, t.Shape...)
	copy(out.Data, t.Data)
	return out
}

// ToGraph is the tensor as constant data of a graph, sharing memory.
func (t *Tensor) ToGraph() *graph.Tensor {
	return &graph.Tensor{DType: t.DType, Shape: t.Shape, Data: t.Data}
}

// Elements is the product of the shape.
func (t *Tensor) Elements() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Present reports whether the tensor is given and has memory: absent optional inputs
// are nil pointers, unread optional outputs have nil data.
func (t *Tensor) Present() bool { return t != nil && t.Data != nil }

// As views the data as elements of type T, whose size must be that of the DType. An
// absent tensor is a nil slice.
func As[T any](t *Tensor) []T {
	if !t.Present() {
		return nil
	}
	var zero T
	if int(unsafe.Sizeof(zero)) != t.DType.Size() {
		panic(fmt.Sprintf("backend: %v tensor viewed as %T", t.DType, zero))
	}
	if len(t.Data) == 0 {
		return []T{}
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(t.Data))), len(t.Data)/int(unsafe.Sizeof(zero)))
}

// F32 views a float32 tensor; an absent one is nil.
func (t *Tensor) F32() []float32 { return view[float32](t, graph.Float32) }

// I64 views an int64 tensor; an absent one is nil.
func (t *Tensor) I64() []int64 { return view[int64](t, graph.Int64) }

func view[T any](t *Tensor, want graph.DType) []T {
	if t.Present() && t.DType != want {
		panic(fmt.Sprintf("backend: %v tensor viewed as %v", t.DType, want))
	}
	return As[T](t)
}

// SetFloat fills a float32 tensor with x.
func (t *Tensor) SetFloat(x float32) {
	v := t.F32()
	for i := range v {
		v[i] = x
	}
}

// Finite reports whether a float32 tensor holds no NaN and no infinity.
func (t *Tensor) Finite() bool {
	for _, x := range t.F32() {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return false
		}
	}
	return true
}

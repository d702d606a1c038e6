package safetensors

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"sort"
	"unsafe"
)

// Tensor is a tensor to be written: its bytes, little-endian, in row-major order.
type Tensor struct {
	Name  string
	DType DType
	Shape []int64
	Data  []byte
	// Load, when Data is nil, is called for the bytes when they are written, so that not all
	// tensors need to be in memory at once. They may change after the next call.
	Load func() ([]byte, error)
}

// size is the number of bytes that type and shape ask for.
func (t Tensor) size() int64 {
	n := t.DType.Size()
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// bytes are the data, checked against type and shape.
func (t Tensor) bytes() ([]byte, error) {
	data := t.Data
	if data == nil && t.Load != nil {
		var err error
		if data, err = t.Load(); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
	}
	if int64(len(data)) != t.size() || t.DType.Size() == 0 {
		return nil, fmt.Errorf("tensor %q: %s%v does not fit %d bytes", t.Name, t.DType, t.Shape, len(data))
	}
	return data, nil
}

// Write writes a file's whole content, tensors in the order of their names, each aligned
// as its element type wants. The bytes depend on nothing but the arguments.
func Write(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	sorted := append([]Tensor(nil), tensors...)
	sort.Slice(sorted, func(i, j int) bool {
		if a, b := sorted[i].DType.Size(), sorted[j].DType.Size(); a != b {
			return a > b // wide types first keep everything aligned
		}
		return sorted[i].Name < sorted[j].Name
	})
	header, err := header(sorted, metadata)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 1<<20)
	var length [8]byte
	binary.LittleEndian.PutUint64(length[:], uint64(len(header)))
	out.Write(length[:])
	out.Write(header)
	for _, t := range sorted {
		data, err := t.bytes()
		if err != nil {
			return err
		}
		if _, err := out.Write(data); err != nil {
			return err
		}
	}
	return out.Flush()
}

// header is the JSON in front of the data, padded to a multiple of 8 bytes.
func header(tensors []Tensor, metadata map[string]string) ([]byte, error) {
	type entry struct {
		DType   DType    `json:"dtype"`
		Shape   []int64  `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	entries := map[string]any{}
	if len(metadata) > 0 {
		entries["__metadata__"] = metadata
	}
	at := int64(0)
	for _, t := range tensors {
		size := t.size()
		if t.Load == nil {
			if _, err := t.bytes(); err != nil {
				return nil, err
			}
		}
		if _, twice := entries[t.Name]; twice {
			return nil, fmt.Errorf("tensor %q occurs twice", t.Name)
		}
		shape := t.Shape
		if shape == nil {
			shape = []int64{}
		}
		entries[t.Name] = entry{t.DType, shape, [2]int64{at, at + size}}
		at += size
	}
	raw, err := json.Marshal(entries)
	if err != nil {
		return nil, err
	}
	for len(raw)%8 != 0 {
		raw = append(raw, ' ')
	}
	return raw, nil
}

// Float32s are numbers as a file of F32 holds them. The bytes share the numbers' memory where
// the machine has the file's order.
func Float32s(v []float32) []byte {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
	}
	out := make([]byte, 4*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint32(out[4*i:], math.Float32bits(x))
	}
	return out
}

package safetensors

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sort"
)

// Tensor is a tensor to be written: its bytes, little-endian, in row-major order.
type Tensor struct {
	Name  string
	DType DType
	Shape []int64
	Data  []byte
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
		if _, err := out.Write(t.Data); err != nil {
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
		size := t.DType.Size()
		for _, d := range t.Shape {
			size *= d
		}
		if size != int64(len(t.Data)) || t.DType.Size() == 0 {
			return nil, fmt.Errorf("tensor %q: %s%v does not fit %d bytes", t.Name, t.DType, t.Shape, len(t.Data))
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

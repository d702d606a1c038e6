package safetensors

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"sort"
)

// File is an open safetensors file. Close it when done.
type File struct {
	name     string
	r        io.ReaderAt
	closer   io.Closer
	data     int64 // where the data begins
	tensors  []Info
	index    map[string]int
	metadata map[string]string
}

// Error is what is wrong with a file.
type Error struct {
	File string
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.File, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// Open reads the header of a file; tensors are read when asked for.
func Open(path string) (*File, error) {
	info, err := os.Stat(path) // before it is opened, which waits in the case of a pipe
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &Error{path, fmt.Errorf("is no regular file")}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	file, err := NewFile(path, f, info.Size())
	if err != nil {
		f.Close()
		return nil, err
	}
	file.closer = f
	return file, nil
}

// NewFile reads a file from memory or elsewhere; name is for messages.
func NewFile(name string, r io.ReaderAt, size int64) (*File, error) {
	tensors, metadata, data, err := readHeader(r, size)
	if err != nil {
		return nil, &Error{name, err}
	}
	f := &File{name: name, r: r, data: data, tensors: tensors, index: map[string]int{}, metadata: metadata}
	for i, t := range tensors {
		f.index[t.Name] = i
	}
	return f, nil
}

// Close closes the file.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// Names lists the tensors in order of their names.
func (f *File) Names() []string {
	names := make([]string, len(f.tensors))
	for i, t := range f.tensors {
		names[i] = t.Name
	}
	sort.Strings(names)
	return names
}

// Metadata is the text kept beside the tensors.
func (f *File) Metadata() map[string]string { return f.metadata }

// Info describes a tensor; ok is false when there is none of that name.
func (f *File) Info(name string) (info Info, ok bool) {
	i, ok := f.index[name]
	if !ok {
		return Info{}, false
	}
	return f.tensors[i], true
}

// Bytes reads a tensor's data as it lies in the file, little-endian.
func (f *File) Bytes(name string) ([]byte, error) {
	info, ok := f.Info(name)
	if !ok {
		return nil, &Error{f.name, fmt.Errorf("there is no tensor %q", name)}
	}
	out := make([]byte, info.end-info.begin)
	return out, f.ReadInto(name, out)
}

// ReadInto reads a tensor's data into out, which must have its size.
func (f *File) ReadInto(name string, out []byte) error {
	info, ok := f.Info(name)
	if !ok {
		return &Error{f.name, fmt.Errorf("there is no tensor %q", name)}
	}
	if int64(len(out)) != info.end-info.begin {
		return &Error{f.name, fmt.Errorf("tensor %q has %d bytes, not %d", name, info.end-info.begin, len(out))}
	}
	if _, err := f.r.ReadAt(out, f.data+info.begin); err != nil && len(out) > 0 {
		return &Error{f.name, fmt.Errorf("tensor %q: %w (has the file shrunk?)", name, err)}
	}
	return nil
}

// Float32Part reads n elements of an F32 tensor, from at on.
func (f *File) Float32Part(name string, at, n int) ([]float32, error) {
	info, ok := f.Info(name)
	if !ok || info.DType != F32 || at < 0 || n < 0 || int64(at)+int64(n) > info.Elements() {
		return nil, &Error{f.name, fmt.Errorf("tensor %q does not hold the F32 elements %d to %d", name, at, at+n)}
	}
	raw := make([]byte, 4*n)
	if _, err := f.r.ReadAt(raw, f.data+info.begin+4*int64(at)); err != nil && n > 0 {
		return nil, &Error{f.name, fmt.Errorf("tensor %q: %w (has the file shrunk?)", name, err)}
	}
	out := make([]float32, n)
	return out, F32.Floats(out, raw)
}

// Float32 reads a floating-point tensor, widening half precision and narrowing double.
func (f *File) Float32(name string) ([]float32, error) {
	raw, err := f.Bytes(name)
	if err != nil {
		return nil, err
	}
	info, _ := f.Info(name)
	out := make([]float32, info.Elements())
	if err := info.DType.Floats(out, raw); err != nil {
		return nil, &Error{f.name, fmt.Errorf("tensor %q: %w", name, err)}
	}
	return out, nil
}

// Floats converts the elements of raw, little-endian, widening half precision and narrowing
// double. Types that are no floats are an error, of no elements too.
func (t DType) Floats(out []float32, raw []byte) error {
	switch t {
	case F32:
		for i := range out {
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
	case F64:
		for i := range out {
			out[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:])))
		}
	case BF16:
		for i := range out {
			out[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(raw[2*i:])) << 16)
		}
	case F16:
		for i := range out {
			out[i] = halfToFloat(binary.LittleEndian.Uint16(raw[2*i:]))
		}
	default:
		return fmt.Errorf("is %s, want floats", t)
	}
	return nil
}

// Float64 reads a floating-point tensor in double precision.
func (f *File) Float64(name string) ([]float64, error) {
	if info, ok := f.Info(name); ok && info.DType == F64 {
		raw, err := f.Bytes(name)
		if err != nil {
			return nil, err
		}
		out := make([]float64, info.Elements())
		for i := range out {
			out[i] = math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:]))
		}
		return out, nil
	}
	narrow, err := f.Float32(name)
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(narrow))
	for i, x := range narrow {
		out[i] = float64(x)
	}
	return out, nil
}

// Int64 reads an integer or bool tensor.
func (f *File) Int64(name string) ([]int64, error) {
	raw, err := f.Bytes(name)
	if err != nil {
		return nil, err
	}
	info, _ := f.Info(name)
	out := make([]int64, info.Elements())
	for i := range out {
		switch info.DType {
		case I64, U64:
			out[i] = int64(binary.LittleEndian.Uint64(raw[8*i:]))
		case I32:
			out[i] = int64(int32(binary.LittleEndian.Uint32(raw[4*i:])))
		case U32:
			out[i] = int64(binary.LittleEndian.Uint32(raw[4*i:]))
		case I16:
			out[i] = int64(int16(binary.LittleEndian.Uint16(raw[2*i:])))
		case U16:
			out[i] = int64(binary.LittleEndian.Uint16(raw[2*i:]))
		case I8:
			out[i] = int64(int8(raw[i]))
		case U8, Bool:
			out[i] = int64(raw[i])
		default:
			return nil, &Error{f.name, fmt.Errorf("tensor %q is %s, want integers", name, info.DType)}
		}
	}
	return out, nil
}

// halfToFloat widens an IEEE half.
func halfToFloat(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exponent {
	case 0:
		return math.Float32frombits(sign) + float32(fraction)*signed(sign)/(1<<24)
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}

func signed(sign uint32) float32 {
	if sign != 0 {
		return -1
	}
	return 1
}

package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"unicode/utf8"
)

// MaxHeader is the largest header that is read, as in the reference implementation.
const MaxHeader = 100_000_000

// DType is an element type as the format spells it.
type DType string

// Element types.
const (
	Bool DType = "BOOL"
	U8   DType = "U8"
	I8   DType = "I8"
	I16  DType = "I16"
	U16  DType = "U16"
	F16  DType = "F16"
	BF16 DType = "BF16"
	I32  DType = "I32"
	U32  DType = "U32"
	F32  DType = "F32"
	I64  DType = "I64"
	U64  DType = "U64"
	F64  DType = "F64"
)

var sizes = map[DType]int64{Bool: 1, U8: 1, I8: 1, I16: 2, U16: 2, F16: 2, BF16: 2, I32: 4, U32: 4, F32: 4, I64: 8, U64: 8, F64: 8}

// Size is the number of bytes of one element, 0 for an unknown type.
func (t DType) Size() int64 { return sizes[t] }

// Info describes one tensor of a file.
type Info struct {
	Name  string
	DType DType
	Shape []int64
	begin int64 // within the data
	end   int64
}

// Elements is the product of the shape.
func (i Info) Elements() int64 {
	n := int64(1)
	for _, d := range i.Shape {
		n *= d
	}
	return n
}

// MaxTensors is how many tensors a file may hold: ten times those of the largest models.
const MaxTensors = 100_000

// parseHeader reads the JSON of a header and checks it against the size of the data.
func parseHeader(raw []byte, dataSize int64) (tensors []Info, metadata map[string]string, err error) {
	switch {
	case len(raw) == 0 || raw[0] != '{':
		return nil, nil, errors.New("the header does not begin with {")
	case !utf8.Valid(raw):
		return nil, nil, errors.New("the header is not valid UTF-8")
	case bytes.Count(raw, []byte{'{'}) > MaxTensors+2: // counted before anything is made of them
		return nil, nil, fmt.Errorf("the header lists more than %d tensors", MaxTensors)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if _, err := d.Token(); err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	seen := map[string]bool{}
	for d.More() {
		name, err := key(d, seen)
		if err != nil {
			return nil, nil, fmt.Errorf("header: %w", err)
		}
		if name == "__metadata__" {
			if metadata, err = parseMetadata(d); err != nil {
				return nil, nil, fmt.Errorf("__metadata__: %w", err)
			}
			continue
		}
		info, err := parseTensor(d, name)
		if err != nil {
			return nil, nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		tensors = append(tensors, info)
	}
	if _, err := d.Token(); err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	if rest := bytes.TrimLeft(raw[d.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return nil, nil, errors.New("the header goes on after its closing }")
	}
	return tensors, metadata, checkLayout(tensors, dataSize)
}

// key reads an object's next key; a key that occurs twice is an error.
func key(d *json.Decoder, seen map[string]bool) (string, error) {
	t, err := d.Token()
	if err != nil {
		return "", err
	}
	name, ok := t.(string)
	if !ok {
		return "", fmt.Errorf("got %v where a name is expected", t)
	}
	if seen[name] {
		return "", fmt.Errorf("%q occurs twice", name)
	}
	seen[name] = true
	return name, nil
}

func open(d *json.Decoder, want json.Delim) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t != want {
		return fmt.Errorf("got %v, want %v", t, want)
	}
	return nil
}

func parseMetadata(d *json.Decoder) (map[string]string, error) {
	if err := open(d, '{'); err != nil {
		return nil, err
	}
	m, seen := map[string]string{}, map[string]bool{}
	for d.More() {
		name, err := key(d, seen)
		if err != nil {
			return nil, err
		}
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		value, ok := t.(string)
		if !ok {
			return nil, fmt.Errorf("%q is no string", name)
		}
		m[name] = value
	}
	_, err := d.Token()
	return m, err
}

// parseTensor reads {"dtype": …, "shape": […], "data_offsets": [b, e]}. Keys are case
// sensitive and all three are needed.
func parseTensor(d *json.Decoder, name string) (Info, error) {
	info := Info{Name: name}
	if err := open(d, '{'); err != nil {
		return info, err
	}
	seen := map[string]bool{}
	for d.More() {
		k, err := key(d, seen)
		if err != nil {
			return info, err
		}
		switch k {
		case "dtype":
			var t json.Token
			if t, err = d.Token(); err == nil {
				s, _ := t.(string)
				if info.DType = DType(s); info.DType.Size() == 0 {
					err = fmt.Errorf("unknown dtype %v", t)
				}
			}
		case "shape":
			info.Shape, err = naturals(d, "shape")
		case "data_offsets":
			var o []int64
			if o, err = naturals(d, "data_offsets"); err == nil {
				if len(o) != 2 {
					return info, fmt.Errorf("data_offsets has %d numbers, want 2", len(o))
				}
				info.begin, info.end = o[0], o[1]
			}
		default:
			err = fmt.Errorf("unknown key %q", k)
		}
		if err != nil {
			return info, err
		}
	}
	if len(seen) != 3 {
		return info, errors.New("dtype, shape and data_offsets are all needed")
	}
	_, err := d.Token()
	return info, err
}

// naturals reads a list of whole numbers written plainly: no sign, point or exponent.
func naturals(d *json.Decoder, what string) ([]int64, error) {
	if err := open(d, '['); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	out := []int64{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		n, ok := t.(json.Number)
		if !ok {
			return nil, fmt.Errorf("%s: got %v, want a number", what, t)
		}
		v, err := strconv.ParseInt(string(n), 10, 64)
		if err != nil || v < 0 {
			return nil, fmt.Errorf("%s: got %v, want a whole number from 0", what, n)
		}
		out = append(out, v)
	}
	_, err := d.Token()
	return out, err
}

// checkLayout makes sure that tensors fit their byte ranges and that the ranges cover
// the data exactly, in whatever order the header lists them.
func checkLayout(tensors []Info, dataSize int64) error {
	ends := make(map[int64]int64, len(tensors)) // begin → end of non-empty tensors
	for _, t := range tensors {
		size := t.DType.Size()
		for _, d := range t.Shape {
			if d != 0 && size > math.MaxInt64/d {
				return fmt.Errorf("tensor %q: shape %v overflows", t.Name, t.Shape)
			}
			size *= d
		}
		if t.end < t.begin || t.end > dataSize {
			return fmt.Errorf("tensor %q: data_offsets [%d, %d] are outside of the data, %d bytes", t.Name, t.begin, t.end, dataSize)
		}
		if t.end-t.begin != size {
			return fmt.Errorf("tensor %q: %s%v needs %d bytes, data_offsets give %d", t.Name, t.DType, t.Shape, size, t.end-t.begin)
		}
		if size == 0 {
			continue
		}
		if _, twice := ends[t.begin]; twice {
			return fmt.Errorf("tensor %q: its data overlaps another tensor's", t.Name)
		}
		ends[t.begin] = t.end
	}
	at := int64(0)
	for range len(ends) {
		end, ok := ends[at]
		if !ok {
			return fmt.Errorf("the data has a hole or an overlap at byte %d", at)
		}
		at = end
	}
	if at != dataSize {
		return fmt.Errorf("the data has %d bytes that belong to no tensor", dataSize-at)
	}
	return nil
}

// readHeader reads the length and the header from the beginning of a file.
func readHeader(r io.ReaderAt, size int64) (tensors []Info, metadata map[string]string, data int64, err error) {
	if size < 8 {
		return nil, nil, 0, fmt.Errorf("%d bytes are too short for a safetensors file", size)
	}
	var length [8]byte
	if _, err := r.ReadAt(length[:], 0); err != nil {
		return nil, nil, 0, err
	}
	n := uint64(0)
	for i := 7; i >= 0; i-- {
		n = n<<8 | uint64(length[i])
	}
	switch {
	case n > MaxHeader:
		return nil, nil, 0, fmt.Errorf("a header of %d bytes is over the limit of %d", n, MaxHeader)
	case n > uint64(size-8):
		return nil, nil, 0, fmt.Errorf("a header of %d bytes does not fit a file of %d", n, size)
	}
	raw := make([]byte, n)
	if _, err := r.ReadAt(raw, 8); err != nil {
		return nil, nil, 0, err
	}
	data = 8 + int64(n)
	tensors, metadata, err = parseHeader(raw, size-data)
	return tensors, metadata, data, err
}

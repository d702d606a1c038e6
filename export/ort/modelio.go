package ort

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of onnx.proto3 that are read here.
const (
	modelGraph       = 7
	graphInitializer = 5
	graphInput       = 11
	graphOutput      = 12
	tensorName       = 8
)

// maxValueInfo bounds what is read into memory for one declared input or output, and for one name.
const maxValueInfo = 1 << 20

// ReadModelIO reads the inputs and outputs that an .onnx file declares, in file order; inputs that are also initialisers
// (defaults that need not be fed) are left out. Weights are skipped, not read, so this is quick for a file of any size.
func ReadModelIO(path string) (inputs, outputs []IOInfo, err error) {
	// Non-blocking, so that a pipe without a writer is refused and not waited for.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s: not a regular file", path)
	}
	inputs, outputs, err = scanModel(f, st.Size())
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return inputs, outputs, nil
}

// readModelIOBytes is ReadModelIO for a model in memory.
func readModelIOBytes(data []byte) (inputs, outputs []IOInfo, err error) {
	return scanModel(bytes.NewReader(data), int64(len(data)))
}

// scanModel walks the top of the protobuf message; a graph that appears in several pieces is merged, as protobuf asks.
func scanModel(r io.ReaderAt, size int64) (inputs, outputs []IOInfo, err error) {
	initial := map[string]bool{}
	graphs := 0
	model := wireReader{r: r, end: size}
	err = model.fields(func(num protowire.Number, body wireReader) error {
		if num != modelGraph {
			return nil
		}
		graphs++
		return body.fields(func(num protowire.Number, body wireReader) error {
			switch num {
			case graphInitializer:
				return body.fields(func(num protowire.Number, body wireReader) error {
					if num != tensorName {
						return nil
					}
					name, err := body.bytes()
					initial[string(name)] = true
					return err
				})
			case graphInput, graphOutput:
				raw, err := body.bytes()
				if err != nil {
					return err
				}
				info, err := parseValueInfo(raw)
				if err != nil {
					return fmt.Errorf("not a valid ONNX model: input or output declared at offset %d: %w", body.pos, err)
				}
				if num == graphInput {
					inputs = append(inputs, info)
				} else {
					outputs = append(outputs, info)
				}
			}
			return nil
		})
	})
	if err == nil && graphs == 0 {
		err = errors.New("not a valid ONNX model: it holds no graph")
	}
	if err != nil {
		return nil, nil, err
	}
	kept := inputs[:0]
	for _, in := range inputs {
		if !initial[in.Name] {
			kept = append(kept, in)
		}
	}
	return kept, outputs, nil
}

// wireReader is a stretch [pos, end) of a protobuf file.
type wireReader struct {
	r        io.ReaderAt
	pos, end int64
}

// fields calls f for each length-delimited field with the stretch of its body, and skips the others.
func (w wireReader) fields(f func(protowire.Number, wireReader) error) error {
	for w.pos < w.end {
		num, typ, length, head, err := w.header()
		if err != nil {
			return fmt.Errorf("not a valid ONNX model: protobuf field at offset %d: %w", w.pos, err)
		}
		body := wireReader{r: w.r, pos: w.pos + head, end: w.pos + head + length}
		if typ == protowire.BytesType {
			if err := f(num, body); err != nil {
				return err
			}
		}
		w.pos = body.end
	}
	return nil
}

// header reads one tag and tells how many bytes the head (tag and length prefix) and the body take.
func (w wireReader) header() (num protowire.Number, typ protowire.Type, length, head int64, err error) {
	var buf [2 * 10]byte
	n, err := w.r.ReadAt(buf[:min(int64(len(buf)), w.end-w.pos)], w.pos)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, 0, 0, err
	}
	b := buf[:n]
	num, typ, tag := protowire.ConsumeTag(b)
	if tag < 0 {
		return 0, 0, 0, 0, protowire.ParseError(tag)
	}
	if typ == protowire.BytesType {
		v, k := protowire.ConsumeVarint(b[tag:])
		if k < 0 {
			return 0, 0, 0, 0, protowire.ParseError(k)
		}
		head = int64(tag + k)
		if v > uint64(w.end-w.pos-head) {
			return 0, 0, 0, 0, fmt.Errorf("it is said to take %d bytes, but only %d are left", v, w.end-w.pos-head)
		}
		return num, typ, int64(v), head, nil
	}
	k := protowire.ConsumeFieldValue(num, typ, b[tag:])
	if k < 0 {
		return 0, 0, 0, 0, protowire.ParseError(k)
	}
	return num, typ, int64(k), int64(tag), nil
}

// bytes reads the whole stretch.
func (w wireReader) bytes() ([]byte, error) {
	if w.end-w.pos > maxValueInfo {
		return nil, fmt.Errorf("not a valid ONNX model: %d bytes for a name or shape at offset %d", w.end-w.pos, w.pos)
	}
	b := make([]byte, w.end-w.pos)
	_, err := io.ReadFull(io.NewSectionReader(w.r, w.pos, w.end-w.pos), b)
	return b, err
}

// parseValueInfo reads a ValueInfoProto: name = 1, type = 2 {tensor_type = 1 {elem_type = 1, shape = 2 {dim = 1 ...}}}.
func parseValueInfo(b []byte) (IOInfo, error) {
	var info IOInfo
	err := eachField(b, func(num protowire.Number, v []byte, _ uint64) error {
		switch num {
		case 1:
			info.Name = string(v)
		case 2:
			return eachField(v, func(num protowire.Number, v []byte, _ uint64) error {
				if num != 1 {
					return nil // a sequence, map or optional: DType stays 0
				}
				return parseTensorType(v, &info)
			})
		}
		return nil
	})
	return info, err
}

func parseTensorType(b []byte, info *IOInfo) error {
	return eachField(b, func(num protowire.Number, v []byte, x uint64) error {
		switch num {
		case 1:
			info.DType = DType(x)
		case 2:
			info.HasShape = true
			return eachField(v, func(num protowire.Number, v []byte, _ uint64) error {
				if num != 1 {
					return nil
				}
				return parseDim(v, info)
			})
		}
		return nil
	})
}

// parseDim reads a Dimension: dim_value = 1 or dim_param = 2.
func parseDim(b []byte, info *IOInfo) error {
	dim, symbol := int64(-1), ""
	err := eachField(b, func(num protowire.Number, v []byte, x uint64) error {
		switch num {
		case 1:
			dim = int64(x)
		case 2:
			symbol = string(v)
		}
		return nil
	})
	if dim < -1 {
		return fmt.Errorf("dimension %d is negative", dim)
	}
	info.Dims, info.Symbols = append(info.Dims, dim), append(info.Symbols, symbol)
	return err
}

// eachField walks a small message in memory; f gets the body of length-delimited fields or the value of varints.
func eachField(b []byte, f func(num protowire.Number, body []byte, varint uint64) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		var body []byte
		var x uint64
		switch typ {
		case protowire.BytesType:
			body, n = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			x, n = protowire.ConsumeVarint(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		if typ == protowire.BytesType || typ == protowire.VarintType {
			if err := f(num, body, x); err != nil {
				return err
			}
		}
		b = b[n:]
	}
	return nil
}

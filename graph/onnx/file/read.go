package file

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"google.golang.org/protobuf/proto"

	"github.com/moezoo/moezoo/graph/onnx/pb"
)

// Read reads the model at path and the ranges of its external data. The bytes are
// held against limits before they are decoded, the model passes Validate, and
// every tensor stored in another file lies in the model's folder and has the size
// its dims say. A fault of the file is an *Error; any other error is one of the
// machine. At most one Limits is used; without it the defaults hold.
func Read(path string, limits ...Limits) (*pb.ModelProto, *External, error) {
	l := chosen(limits)
	data, err := slurp(path, l.FileBytes)
	if err != nil {
		return nil, nil, err
	}
	ext := &External{dir: filepath.Dir(path), model: path, seen: map[string]*dataFile{}}
	m, err := decodeModel(data, ext, l)
	if err != nil {
		return nil, nil, inFile(path, err)
	}
	return m, ext, nil
}

// ReadBytes reads a model from memory, as Read does. A model with external data is
// refused: there is no folder to look in.
func ReadBytes(data []byte, limits ...Limits) (*pb.ModelProto, error) {
	l := chosen(limits)
	if int64(len(data)) > l.FileBytes {
		return nil, bad("", "%d bytes, above the limit of %d", len(data), l.FileBytes)
	}
	return decodeModel(data, nil, l)
}

func chosen(limits []Limits) Limits {
	switch len(limits) {
	case 0:
		return Limits{}.filled()
	case 1:
		return limits[0].filled()
	}
	panic("at most one Limits")
}

func decodeModel(data []byte, ext *External, l Limits) (*pb.ModelProto, error) {
	if len(data) == 0 {
		return nil, bad("", "the file is empty; expected an ONNX model")
	}
	m := &pb.ModelProto{}
	if err := decode(data, m, l); err != nil {
		return nil, err
	}
	if err := validate(m, ext.check); err != nil {
		return nil, err
	}
	return m, nil
}

// decode scans data and then decodes it. Fields of later versions are dropped, so
// that they cost nothing.
func decode(data []byte, m proto.Message, l Limits) error {
	if err := scan(data, m.ProtoReflect().Descriptor().FullName(), l); err != nil {
		return err
	}
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, m); err != nil {
		return bad("", "not an ONNX file: %v", err)
	}
	return nil
}

// slurp reads a regular file of at most limit bytes whole. It is not mapped: a
// mapped file that shrinks kills the process.
func slurp(path string, limit int64) ([]byte, error) {
	// Non-blocking, so that a pipe without a writer is refused and not waited for.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, openError(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &Error{File: path, Offset: -1, Problem: fmt.Sprintf("%s, not an ONNX file", kindOf(info.Mode()))}
	}
	if info.Size() > limit {
		problem := fmt.Sprintf("%d bytes, above the limit of %d", info.Size(), limit)
		if limit == maxMessage {
			problem = fmt.Sprintf("%d bytes, but an ONNX file cannot exceed 2 GiB; weights of larger models lie in a second file", info.Size())
		}
		return nil, &Error{File: path, Offset: -1, Problem: problem}
	}
	data := make([]byte, info.Size())
	if n, err := io.ReadFull(f, data); err == io.ErrUnexpectedEOF || err == io.EOF && n < len(data) {
		return nil, &Error{File: path, Offset: int64(n), Problem: "the file became shorter while it was read"}
	} else if err != nil && err != io.EOF {
		return nil, err
	}
	return data, nil
}

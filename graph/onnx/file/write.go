package file

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/moezoo/moezoo/graph/onnx/pb"
)

// ExternalMode says where Write puts large initialisers.
type ExternalMode int

// Places of the weights.
const (
	ExternalAuto   ExternalMode = iota // in a second file when the model would exceed 1.5 GB
	ExternalAlways                     // in a second file
	ExternalNever                      // in the model; refused above 2 GiB
)

const (
	autoBytes   = 1_500_000_000 // ExternalAuto's border
	inlineBytes = 1 << 10       // smaller tensors stay in the model: shape inference reads them
	dataAlign   = 4096          // a page, so that the data can be mapped
)

// WriteOptions chooses how Write lays a model out. The zero value is right for
// most.
type WriteOptions struct {
	External ExternalMode
	// Payloads supplies, by name, the elements of initialisers of the main graph
	// that have type and dims but hold no elements.
	Payloads map[string]Payload
}

// Payload gives the elements of one tensor, row-major, little-endian and of fixed
// width, at the time they are written.
type Payload interface {
	// Size is the number of bytes that WriteTo will write.
	Size() int64
	// WriteTo writes all of them.
	io.WriterTo
}

// Bytes is a Payload that is in memory already.
type Bytes []byte

// Size is the length of b.
func (b Bytes) Size() int64 { return int64(len(b)) }

// WriteTo writes b.
func (b Bytes) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(b)
	return int64(n), err
}

// Payload is the content of a tensor stored outside the model it was read from,
// ready to be written with another. It does not change when t does.
func (e *External) Payload(t *pb.TensorProto) (Payload, error) {
	_, size, err := e.entry(t)
	if err != nil {
		return nil, e.named(t, err)
	}
	return elsewhere{e, proto.CloneOf(t), size}, nil
}

type elsewhere struct {
	e    *External
	t    *pb.TensorProto
	size int64
}

func (p elsewhere) Size() int64 { return p.size }

func (p elsewhere) WriteTo(w io.Writer) (int64, error) {
	r, _, err := p.e.Reader(p.t)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return io.Copy(w, r)
}

// DataPath is the file beside the model at path where Write puts large tensors.
func DataPath(path string) string { return path + "_data" }

// Write writes m to path, and its large initialisers to DataPath(path) as opt
// says: each begins at a multiple of 4096 there. Both files are written under
// other names, synced, and renamed; after a failure neither has appeared. A model
// and its data cannot be replaced in one step, so an older model at path is
// removed before the data of the new one takes its place: a crash in between
// leaves no model rather than one with foreign weights. Targets that are symbolic
// links or no plain files are refused.
//
// m is not changed and its structure is not judged: Validate does that.
func Write(path string, m *pb.ModelProto, opt WriteOptions) error {
	plan, err := layOut(path, m, opt)
	if err != nil {
		return inFile(path, err)
	}
	for _, target := range []string{path, DataPath(path)} {
		if err := plainTarget(target); err != nil {
			return err
		}
	}
	return plan.commit(path)
}

// stored is one initialiser as it will stand in the model.
type stored struct {
	header  *pb.TensorProto // all of the tensor but what payload holds
	payload Payload         // nil: header is complete
	size    int64
	outside bool  // payload goes to the data file
	offset  int64 // there
}

// layout is a model ready to be written.
type layout struct {
	model, graph []byte // everything but the initialisers
	tensors      []*stored
	graphBytes   int64
	dataBytes    int64 // 0: no data file
}

func layOut(path string, m *pb.ModelProto, opt WriteOptions) (*layout, error) {
	if m.GetGraph() == nil {
		return nil, bad("graph", "the model has no graph")
	}
	l := &layout{}
	used := 0
	for i, t := range m.Graph.GetInitializer() {
		s, err := store(t, opt.Payloads[t.GetName()])
		if err != nil {
			err.Field = fmt.Sprintf("graph.initializer[%d](%s).%s", i, short(t.GetName()), err.Field)
			return nil, err
		}
		if _, given := opt.Payloads[t.GetName()]; given {
			used++
		}
		l.tensors = append(l.tensors, s)
	}
	if used != len(opt.Payloads) {
		return nil, bad("graph.initializer", "%d payloads are given, but only %d initialisers have their names", len(opt.Payloads), used)
	}
	if err := l.skeleton(m); err != nil {
		return nil, err
	}
	total := l.measure()
	if opt.External == ExternalAlways || opt.External == ExternalAuto && total > autoBytes {
		if err := l.moveOut(filepath.Base(DataPath(path))); err != nil {
			return nil, err
		}
		total = l.measure()
	}
	if total > maxMessage {
		return nil, bad("", "the model takes %d bytes, but an ONNX file cannot exceed 2 GiB; large initialisers must go to a second file", total)
	}
	return l, nil
}

// store decides how t is held: small tensors and typed lists whole, the rest as a
// header and a payload.
func store(t *pb.TensorProto, p Payload) (*stored, *Error) {
	if p != nil {
		size, err := TensorBytes(t)
		var e *Error
		switch {
		case errors.As(err, &e):
			return nil, e
		case len(t.GetRawData()) > 0 || len(lists(t)) > 0 || len(t.GetExternalData()) > 0:
			return nil, bad("raw_data", "the tensor has elements and a payload too")
		case p.Size() != size:
			return nil, bad("dims", "%v of %s need %d bytes, but the payload has %d", t.GetDims(), typeName(t.GetDataType()), size, p.Size())
		}
		return &stored{header: headerOf(t), payload: p, size: size}, nil
	}
	if t.GetDataLocation() == pb.TensorProto_EXTERNAL {
		return nil, bad("external_data", "elements are in another file; give them as a payload to write them with this model")
	}
	if e := checkTensor(t); e != nil {
		return nil, e
	}
	if len(t.GetRawData()) < inlineBytes {
		return &stored{header: t}, nil
	}
	return &stored{header: headerOf(t), payload: Bytes(t.GetRawData()), size: int64(len(t.GetRawData()))}, nil
}

// headerOf is t without its elements.
func headerOf(t *pb.TensorProto) *pb.TensorProto {
	return &pb.TensorProto{Dims: t.Dims, DataType: t.DataType, Name: t.Name, DocString: t.DocString, MetadataProps: t.MetadataProps}
}

// skeleton encodes everything but the initialisers. The initialisers follow it in
// the file: the order of fields means nothing to a reader.
func (l *layout) skeleton(m *pb.ModelProto) error {
	var err error
	g := m.Graph
	l.graph, err = marshal(&pb.GraphProto{
		Node: g.Node, Name: g.Name, SparseInitializer: g.SparseInitializer, DocString: g.DocString, Input: g.Input, Output: g.Output,
		ValueInfo: g.ValueInfo, QuantizationAnnotation: g.QuantizationAnnotation, MetadataProps: g.MetadataProps,
	})
	if err != nil {
		return err
	}
	l.model, err = marshal(&pb.ModelProto{
		IrVersion: m.IrVersion, OpsetImport: m.OpsetImport, ProducerName: m.ProducerName, ProducerVersion: m.ProducerVersion,
		Domain: m.Domain, ModelVersion: m.ModelVersion, DocString: m.DocString, MetadataProps: m.MetadataProps,
		TrainingInfo: m.TrainingInfo, Functions: m.Functions, Configuration: m.Configuration,
	})
	return err
}

func marshal(m proto.Message) ([]byte, error) {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, bad("", "the model cannot be encoded: %v", err)
	}
	return raw, nil
}

// The field numbers that are written by hand, because what they hold is streamed.
const (
	modelGraph       = protowire.Number(7)
	graphInitializer = protowire.Number(5)
	tensorRaw        = protowire.Number(9)
)

// measure gives the bytes of the model file as it is laid out now.
func (l *layout) measure() int64 {
	l.graphBytes = int64(len(l.graph))
	for _, s := range l.tensors {
		l.graphBytes += lengthDelimited(graphInitializer, s.bytes())
	}
	return int64(len(l.model)) + lengthDelimited(modelGraph, l.graphBytes)
}

// bytes is the encoded length of s in the model.
func (s *stored) bytes() int64 {
	n := int64(proto.Size(s.header))
	if s.payload != nil && !s.outside {
		n += lengthDelimited(tensorRaw, s.size)
	}
	return n
}

func lengthDelimited(n protowire.Number, length int64) int64 {
	return int64(protowire.SizeTag(n)) + int64(protowire.SizeVarint(uint64(length))) + length
}

// moveOut gives every large tensor a place in the data file.
func (l *layout) moveOut(location string) error {
	for _, s := range l.tensors {
		if err := s.unpack(); err != nil {
			return err
		}
		if s.payload == nil || s.size < inlineBytes {
			continue
		}
		if l.dataBytes > math.MaxInt64-s.size-dataAlign {
			return bad("graph.initializer", "the tensors do not fit a file")
		}
		s.offset = (l.dataBytes + dataAlign - 1) / dataAlign * dataAlign
		s.outside = true
		l.dataBytes = s.offset + s.size
		s.header.DataLocation = pb.TensorProto_EXTERNAL
		s.header.ExternalData = []*pb.StringStringEntryProto{
			{Key: "location", Value: location},
			{Key: "offset", Value: strconv.FormatInt(s.offset, 10)},
			{Key: "length", Value: strconv.FormatInt(s.size, 10)},
		}
	}
	return nil
}

// unpack turns a large typed list into bytes, the only form a data file has.
func (s *stored) unpack() error {
	if s.payload != nil || len(lists(s.header)) == 0 {
		return nil
	}
	size, err := TensorBytes(s.header)
	if err != nil || size < inlineBytes || elementBits(pb.TensorProto_DataType(s.header.DataType)) < 8 {
		return nil // strings and packed types stay in the model
	}
	raw, e := encode(s.header, pb.TensorProto_DataType(s.header.DataType))
	if e != nil {
		return e
	}
	s.header, s.payload, s.size = headerOf(s.header), Bytes(raw), size
	return nil
}

// writeModel writes the model file.
func (l *layout) writeModel(w io.Writer) error {
	if _, err := w.Write(l.model); err != nil {
		return err
	}
	if err := writePrefix(w, modelGraph, l.graphBytes); err != nil {
		return err
	}
	if _, err := w.Write(l.graph); err != nil {
		return err
	}
	for _, s := range l.tensors {
		header, err := marshal(s.header)
		if err != nil {
			return err
		}
		if err := writePrefix(w, graphInitializer, s.bytes()); err != nil {
			return err
		}
		if _, err := w.Write(header); err != nil {
			return err
		}
		if s.payload == nil || s.outside {
			continue
		}
		if err := writePrefix(w, tensorRaw, s.size); err != nil {
			return err
		}
		if err := s.pour(w); err != nil {
			return err
		}
	}
	return nil
}

func writePrefix(w io.Writer, n protowire.Number, length int64) error {
	b := protowire.AppendTag(nil, n, protowire.BytesType)
	_, err := w.Write(protowire.AppendVarint(b, uint64(length)))
	return err
}

// writeData writes the data file.
func (l *layout) writeData(w io.Writer) error {
	var zeros [dataAlign]byte
	end := int64(0)
	for _, s := range l.tensors {
		if !s.outside {
			continue
		}
		if _, err := w.Write(zeros[:s.offset-end]); err != nil {
			return err
		}
		if err := s.pour(w); err != nil {
			return err
		}
		end = s.offset + s.size
	}
	return nil
}

// pour writes the payload and holds it to the size it promised.
func (s *stored) pour(w io.Writer) error {
	n, err := s.payload.WriteTo(w)
	if err != nil {
		return fmt.Errorf("tensor %s: %w", short(s.header.GetName()), err)
	}
	if n != s.size {
		return fmt.Errorf("tensor %s: its payload wrote %d bytes instead of the %d it stated", short(s.header.GetName()), n, s.size)
	}
	return nil
}

// plainTarget refuses to write through or over anything but a plain file.
func plainTarget(path string) error {
	info, err := os.Lstat(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return &Error{File: path, Offset: -1, Problem: fmt.Sprintf("is %s; nothing is written through or over it, remove it or choose another name", kindOf(info.Mode()))}
	}
	return nil
}

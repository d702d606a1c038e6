package file

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/moezoo/moezoo/graph/onnx/pb"
)

// Decoding costs up to 130 bytes of heap for two bytes of input (an empty
// submessage), so the bytes are walked first and the cost is added up by an upper
// bound of what proto.Unmarshal allocates. Nothing is allocated while walking.

// growth is what append allocates in all, relative to the final length of a long
// slice: it grows by 1.25 ×, so all its steps together are five times the last.
const growth = 5

// fieldShape says how one field is laid out, on the wire and in memory.
type fieldShape struct {
	name     string
	kind     protoreflect.Kind // 0: no such field
	repeated bool
	element  int64 // bytes of one element of the slice, or of the oneof wrapper
	message  *messageShape
}

// messageShape is the layout of one message type.
type messageShape struct {
	name   string
	bytes  int64          // of the Go struct, rounded up to the allocator's classes
	fields [32]fieldShape // by field number; the format's largest is 26
}

// shapes holds the layout of every message of the format, built once from the
// generated types so that it cannot drift from them.
var shapes = sync.OnceValue(func() map[protoreflect.FullName]*messageShape {
	all := map[protoreflect.FullName]*messageShape{}
	var visit func(protoreflect.MessageDescriptor) *messageShape
	visit = func(d protoreflect.MessageDescriptor) *messageShape {
		if s := all[d.FullName()]; s != nil {
			return s
		}
		s := &messageShape{name: string(d.Name()), bytes: structBytes(d.FullName())}
		all[d.FullName()] = s
		for i := range d.Fields().Len() {
			f := d.Fields().Get(i)
			shape := fieldShape{name: string(f.Name()), kind: f.Kind(), repeated: f.IsList(), element: elementBytes(f)}
			if f.Kind() == protoreflect.MessageKind {
				shape.message = visit(f.Message())
			}
			s.fields[f.Number()] = shape
		}
		return s
	}
	for i := range pb.File_zoo_onnx_proto.Messages().Len() {
		visit(pb.File_zoo_onnx_proto.Messages().Get(i))
	}
	return all
})

func structBytes(name protoreflect.FullName) int64 {
	t, err := protoregistry.GlobalTypes.FindMessageByName(name)
	if err != nil {
		panic("message type of the format is not registered: " + string(name))
	}
	size := int64(reflect.TypeOf(t.Zero().Interface()).Elem().Size())
	return size + size/8 + 16
}

func elementBytes(f protoreflect.FieldDescriptor) int64 {
	if f.ContainingOneof() != nil {
		return 48
	}
	switch f.Kind() {
	case protoreflect.StringKind:
		return 16
	case protoreflect.BytesKind:
		return 24
	case protoreflect.FloatKind, protoreflect.Int32Kind, protoreflect.EnumKind:
		return 4
	}
	return 8
}

// scanner walks encoded bytes and refuses what is malformed or too dear.
type scanner struct {
	left  int64  // heap still allowed
	total int64  // heap allowed in all, for the message
	depth int    // deepest nesting
	path  []step // the fields around the byte being looked at
}

// step is one level of nesting: a message and the field in it.
type step struct {
	shape  *messageShape
	number protowire.Number
}

// scan checks the encoding of data as a message of type name before it is
// decoded: well formed, within the budget, no field that is not a list given
// twice (decoders disagree on what that means), text in UTF-8.
func scan(data []byte, name protoreflect.FullName, l Limits) error {
	shape := shapes()[name]
	if shape == nil {
		panic("no such message: " + string(name))
	}
	total := int64(len(data)) + l.Overhead
	s := &scanner{left: total - shape.bytes, total: total, depth: l.Depth, path: make([]step, 0, min(l.Depth, 256))}
	return s.message(data, 0, shape)
}

func (s *scanner) fail(offset int64, format string, args ...any) error {
	const most = 6 // levels shown, the innermost
	from := max(0, len(s.path)-most)
	var names []string
	if from > 0 {
		names = append(names, "…")
	}
	for _, p := range s.path[from:] {
		switch {
		case p.number == 0: // between two fields
		case int(p.number) < len(p.shape.fields) && p.shape.fields[p.number].kind != 0:
			names = append(names, p.shape.fields[p.number].name)
		default:
			names = append(names, fmt.Sprintf("field %d", p.number))
		}
	}
	return &Error{Offset: offset, Field: strings.Join(names, "."), Problem: fmt.Sprintf(format, args...)}
}

func (s *scanner) message(b []byte, base int64, shape *messageShape) error {
	if len(s.path) >= s.depth {
		return s.fail(base, "messages are nested more than %d deep", s.depth)
	}
	s.path = append(s.path, step{shape: shape})
	level := len(s.path) - 1
	var seen uint32
	for pos := 0; pos < len(b); {
		offset := base + int64(pos)
		s.path[level].number = 0
		number, wire, n := protowire.ConsumeTag(b[pos:])
		if n < 0 {
			return s.fail(offset, "not an ONNX file, or truncated: %v", protowire.ParseError(n))
		}
		s.path[level].number = number
		pos += n
		if wire == protowire.StartGroupType || wire == protowire.EndGroupType {
			return s.fail(offset, "not an ONNX file: the format has no groups")
		}
		n = protowire.ConsumeFieldValue(number, wire, b[pos:])
		if n < 0 {
			return s.fail(offset, "truncated or damaged %s: %v", wireName(wire), protowire.ParseError(n))
		}
		value := b[pos : pos+n]
		pos += n
		if int(number) >= len(shape.fields) || shape.fields[number].kind == 0 {
			continue // of a later version; the decoder drops it
		}
		f := &shape.fields[number]
		again := seen&(1<<number) != 0
		seen |= 1 << number
		if again && !f.repeated {
			return s.fail(offset, "given twice in one %s", shape.name)
		}
		if err := s.field(value, base+int64(pos-n), wire, f, again); err != nil {
			return err
		}
	}
	s.path = s.path[:level]
	return nil
}

// field charges one field and walks into it. b is the value as encoded, with its
// length in front where there is one; base is its place in the file.
func (s *scanner) field(b []byte, base int64, wire protowire.Type, f *fieldShape, again bool) error {
	want := wireOf(f.kind)
	packed := wire == protowire.BytesType && want != protowire.BytesType && f.repeated
	if wire != want && !packed {
		return s.fail(base, "has the encoding %s where %s belongs", wireName(wire), wireName(want))
	}
	content := b
	if wire == protowire.BytesType {
		_, n := protowire.ConsumeVarint(b)
		content = b[n:]
		base += int64(n)
	}
	cost := f.element
	if f.repeated {
		cost *= growth
	}
	switch {
	case packed:
		return s.packed(content, base, want, f, again)
	case f.kind == protoreflect.MessageKind:
		if err := s.charge(f.message.bytes+cost, base); err != nil {
			return err
		}
		return s.message(content, base, f.message)
	case f.kind == protoreflect.StringKind:
		if !utf8.Valid(content) {
			return s.fail(base, "text is not UTF-8")
		}
		cost += allocated(int64(len(content)))
	case f.kind == protoreflect.BytesKind:
		cost += allocated(int64(len(content)))
	}
	return s.charge(cost, base)
}

// packed charges a list of numbers stored as one run of bytes. The first run of a
// list is allocated exactly, later ones grow it.
func (s *scanner) packed(b []byte, base int64, wire protowire.Type, f *fieldShape, again bool) error {
	count := int64(0)
	switch wire {
	case protowire.VarintType:
		for _, c := range b {
			if c < 0x80 {
				count++
			}
		}
		if len(b) > 0 && b[len(b)-1] >= 0x80 {
			return s.fail(base+int64(len(b))-1, "truncated number at the end of a list")
		}
	default:
		size := 4
		if wire == protowire.Fixed64Type {
			size = 8
		}
		if len(b)%size != 0 {
			return s.fail(base, "%d bytes do not divide into numbers of %d bytes", len(b), size)
		}
		count = int64(len(b) / size)
	}
	cost := allocated(count * f.element)
	if again {
		cost *= growth
	}
	return s.charge(cost, base)
}

// allocated is what the allocator may take for so many bytes: small sizes are
// rounded up by at most an eighth, large ones to whole pages.
func allocated(bytes int64) int64 { return bytes + min(bytes/8, 8192) + 16 }

func (s *scanner) charge(bytes, offset int64) error {
	if s.left -= bytes; s.left < 0 {
		return s.fail(offset, "decoding would take more than the %d MiB of memory allowed for this file: it holds too many small parts", s.total>>20)
	}
	return nil
}

func wireOf(k protoreflect.Kind) protowire.Type {
	switch k {
	case protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.DoubleKind:
		return protowire.Fixed64Type
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	}
	return protowire.VarintType
}

func wireName(t protowire.Type) string {
	switch t {
	case protowire.VarintType:
		return "number"
	case protowire.Fixed32Type:
		return "4-byte number"
	case protowire.Fixed64Type:
		return "8-byte number"
	case protowire.BytesType:
		return "bytes"
	}
	return fmt.Sprintf("wire type %d", t)
}

package wire

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math"
	"sort"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Digest is the SHA-256, in hexadecimal, of what a Build answer says: every
// known field by number, with lengths, so it does not depend on how a protobuf
// library orders or encodes them. Diagnostics are left out, as they change no
// model.
func Digest(r *BuildResponse) string {
	c := proto.CloneOf(r)
	c.Diagnostics = nil
	h := sha256.New()
	digestMessage(h, c.ProtoReflect())
	return hex.EncodeToString(h.Sum(nil))
}

// digestMessage writes the set fields of m in field-number order.
func digestMessage(h hash.Hash, m protoreflect.Message) {
	var fields []protoreflect.FieldDescriptor
	m.Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		fields = append(fields, f)
		return true
	})
	sort.Slice(fields, func(i, j int) bool { return fields[i].Number() < fields[j].Number() })
	digestUint(h, uint64(len(fields)))
	for _, f := range fields {
		digestUint(h, uint64(f.Number()))
		v := m.Get(f)
		if !f.IsList() {
			digestValue(h, f, v)
			continue
		}
		l := v.List()
		digestUint(h, uint64(l.Len()))
		for i := range l.Len() {
			digestValue(h, f, l.Get(i))
		}
	}
}

// digestValue writes one value; the kinds are those that plugin.proto uses in
// an answer.
func digestValue(h hash.Hash, f protoreflect.FieldDescriptor, v protoreflect.Value) {
	switch f.Kind() {
	case protoreflect.MessageKind:
		digestMessage(h, v.Message())
	case protoreflect.BytesKind:
		digestBytes(h, v.Bytes())
	case protoreflect.StringKind:
		digestBytes(h, []byte(v.String()))
	case protoreflect.DoubleKind:
		digestUint(h, math.Float64bits(v.Float()))
	case protoreflect.BoolKind:
		b := uint64(0)
		if v.Bool() {
			b = 1
		}
		digestUint(h, b)
	case protoreflect.EnumKind:
		digestUint(h, uint64(v.Enum()))
	case protoreflect.Int32Kind, protoreflect.Int64Kind:
		digestUint(h, uint64(v.Int()))
	default:
		panic("wire: Digest does not know field kind " + f.Kind().String() + " of " + string(f.FullName()))
	}
}

func digestBytes(h hash.Hash, b []byte) {
	digestUint(h, uint64(len(b)))
	h.Write(b)
}

func digestUint(h hash.Hash, v uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	h.Write(b[:])
}

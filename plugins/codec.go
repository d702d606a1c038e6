package plugins

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxMessageElements bounds one message: fields, counted through all nesting. Two bytes on
// the wire can cost a hundred in memory, so size alone does not bound it.
const maxMessageElements = 100_000

// budgetCodec is gRPC's protobuf codec with an element budget that is checked
// before a message is decoded.
type budgetCodec struct{ encoding.CodecV2 }

func newBudgetCodec() budgetCodec {
	return budgetCodec{encoding.GetCodecV2(grpcproto.Name)}
}

// Unmarshal refuses a message with too many elements.
func (c budgetCodec) Unmarshal(data mem.BufferSlice, v any) error {
	if m, ok := v.(proto.Message); ok {
		left := maxMessageElements
		if err := countElements(data.Materialize(), m.ProtoReflect().Descriptor(), &left); err != nil {
			return err
		}
	}
	return c.CodecV2.Unmarshal(data, v)
}

// countElements takes the fields of raw, a message of type d, off the budget.
func countElements(raw []byte, d protoreflect.MessageDescriptor, left *int) error {
	for len(raw) > 0 {
		if err := takeElements(left, 1); err != nil {
			return err
		}
		num, typ, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return protowire.ParseError(n)
		}
		raw = raw[n:]
		size := protowire.ConsumeFieldValue(num, typ, raw)
		if size < 0 {
			return protowire.ParseError(size)
		}
		if f := d.Fields().ByNumber(num); f != nil && typ == protowire.BytesType {
			if err := countInside(raw, f, left); err != nil {
				return err
			}
		}
		raw = raw[size:]
	}
	return nil
}

// countInside counts what a length-delimited field holds: a message, or packed
// numbers.
func countInside(raw []byte, f protoreflect.FieldDescriptor, left *int) error {
	inner, _ := protowire.ConsumeBytes(raw)
	switch {
	case f.Message() != nil:
		return countElements(inner, f.Message(), left)
	case f.IsPacked():
		return takeElements(left, len(inner)) // a byte each, at least
	}
	return nil
}

func takeElements(left *int, n int) error {
	if *left -= n; *left < 0 {
		return fmt.Errorf("the message has more than %d elements", maxMessageElements)
	}
	return nil
}

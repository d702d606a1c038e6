package pb_test

import (
	"testing"

	_ "github.com/owulveryck/onnx-go" // brings its own generated copy of the format
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/moezoo/moezoo/graph/onnx/pb"
)

// onnx-go registers the package "onnx" when it is linked; a second package of that
// name panics at start, so this test binary running at all is half of the proof.
func TestSecondCopyOfTheFormatLivesInOneProcess(t *testing.T) {
	for _, name := range []protoreflect.FullName{"onnx.ModelProto", "zoo.onnx.ModelProto"} {
		if _, err := protoregistry.GlobalFiles.FindDescriptorByName(name); err != nil {
			t.Errorf("%s is not registered: %v", name, err)
		}
	}
	if got := pb.File_zoo_onnx_proto.Path(); got != "zoo/onnx.proto" {
		t.Errorf("registered as file %q: would clash with a library that registers onnx.proto", got)
	}
}

func TestWireNumbersAreThoseOfTheFormat(t *testing.T) {
	// Numbers from the published onnx.proto; a file is readable only if they hold.
	for _, c := range []struct {
		message, field string
		number         int32
	}{
		{"ModelProto", "ir_version", 1},
		{"ModelProto", "graph", 7},
		{"ModelProto", "opset_import", 8},
		{"ModelProto", "functions", 25},
		{"GraphProto", "node", 1},
		{"GraphProto", "initializer", 5},
		{"GraphProto", "input", 11},
		{"GraphProto", "output", 12},
		{"NodeProto", "op_type", 4},
		{"NodeProto", "attribute", 5},
		{"NodeProto", "domain", 7},
		{"NodeProto", "overload", 8},
		{"TensorProto", "dims", 1},
		{"TensorProto", "data_type", 2},
		{"TensorProto", "raw_data", 9},
		{"TensorProto", "external_data", 13},
		{"AttributeProto", "f", 2},
		{"AttributeProto", "g", 6},
		{"AttributeProto", "type", 20},
		{"FunctionProto", "node", 7},
	} {
		m := pb.File_zoo_onnx_proto.Messages().ByName(protoreflect.Name(c.message))
		f := m.Fields().ByName(protoreflect.Name(c.field))
		if f == nil || int32(f.Number()) != c.number {
			t.Errorf("%s.%s: want number %d, got %v", c.message, c.field, c.number, f)
		}
	}
}

func TestModelSurvivesTheWire(t *testing.T) {
	want := &pb.ModelProto{IrVersion: 8, Graph: &pb.GraphProto{
		Name: "g",
		Node: []*pb.NodeProto{{OpType: "Add", Input: []string{"a", "a"}, Output: []string{"b"}}},
	}}
	raw, err := proto.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got := &pb.ModelProto{}
	if err := proto.Unmarshal(raw, got); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(want, got) {
		t.Fatalf("want %v, got %v", want, got)
	}
}

package file

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/moezoo/moezoo/graph/onnx/pb"
)

// Builders of small models for the tests.

func node(op string, in, out string) *pb.NodeProto {
	return &pb.NodeProto{OpType: op, Name: op + ":" + out, Input: strings.Fields(in), Output: strings.Fields(out)}
}

func floats(name string, dims ...int64) *pb.ValueInfoProto {
	shape := &pb.TensorShapeProto{}
	for _, d := range dims {
		shape.Dim = append(shape.Dim, &pb.TensorShapeProto_Dimension{Value: &pb.TensorShapeProto_Dimension_DimValue{DimValue: d}})
	}
	return &pb.ValueInfoProto{Name: name, Type: &pb.TypeProto{Value: &pb.TypeProto_TensorType{
		TensorType: &pb.TypeProto_Tensor{ElemType: int32(pb.TensorProto_FLOAT), Shape: shape},
	}}}
}

// model is x → y through the nodes given; Identity when there is none.
func model(nodes ...*pb.NodeProto) *pb.ModelProto {
	if len(nodes) == 0 {
		nodes = []*pb.NodeProto{node("Identity", "x", "y")}
	}
	return &pb.ModelProto{
		IrVersion: 8, OpsetImport: opset18(),
		Graph: &pb.GraphProto{Name: "main", Node: nodes, Input: []*pb.ValueInfoProto{floats("x", 2)}, Output: []*pb.ValueInfoProto{floats("y", 2)}},
	}
}

func opset18() []*pb.OperatorSetIdProto { return []*pb.OperatorSetIdProto{{Version: 18}} }

// with changes m and gives it back.
func with(m *pb.ModelProto, change func(*pb.ModelProto)) *pb.ModelProto {
	change(m)
	return m
}

func function(name string, nodes ...*pb.NodeProto) *pb.FunctionProto {
	return &pb.FunctionProto{
		Name: name, Domain: "local", Input: []string{"x"}, Output: []string{"y"}, Node: nodes,
		OpsetImport: []*pb.OperatorSetIdProto{{Version: 18}, {Domain: "local", Version: 1}},
	}
}

// call is a node that calls a function of domain local.
func call(name string, in, out string) *pb.NodeProto {
	n := node(name, in, out)
	n.Domain = "local"
	return n
}

// withFunctions is a model that calls the first of its functions.
func withFunctions(fs ...*pb.FunctionProto) *pb.ModelProto {
	m := model(call(fs[0].Name, "x", "y"))
	m.OpsetImport = append(m.OpsetImport, &pb.OperatorSetIdProto{Domain: "local", Version: 1})
	m.Functions = fs
	return m
}

func tensor(name string, raw []byte, dims ...int64) *pb.TensorProto {
	return &pb.TensorProto{Name: name, DataType: int32(pb.TensorProto_FLOAT), Dims: dims, RawData: raw}
}

// external is a tensor of 2 floats in another file; kv are more keys and values.
func external(location string, kv ...string) *pb.TensorProto {
	t := &pb.TensorProto{
		Name: "w", DataType: int32(pb.TensorProto_FLOAT), Dims: []int64{2}, DataLocation: pb.TensorProto_EXTERNAL,
		ExternalData: []*pb.StringStringEntryProto{{Key: "location", Value: location}},
	}
	for i := 0; i < len(kv); i += 2 {
		t.ExternalData = append(t.ExternalData, &pb.StringStringEntryProto{Key: kv[i], Value: kv[i+1]})
	}
	return t
}

func initialised(ts ...*pb.TensorProto) *pb.ModelProto {
	m := model()
	m.Graph.Initializer = ts
	return m
}

func constant(t *pb.TensorProto) *pb.NodeProto {
	n := node("Constant", "", "c")
	n.Attribute = []*pb.AttributeProto{{Name: "value", Type: pb.AttributeProto_TENSOR, T: t}}
	return n
}

func encoded(t testing.TB, m proto.Message) []byte {
	t.Helper()
	raw, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// nested is raw wrapped in the field numbers given, outermost first.
func nested(raw []byte, fields ...protowire.Number) []byte {
	heads := make([][]byte, len(fields))
	length := len(raw)
	for i := len(fields) - 1; i >= 0; i-- {
		head := protowire.AppendTag(nil, fields[i], protowire.BytesType)
		heads[i] = protowire.AppendVarint(head, uint64(length))
		length += len(heads[i])
	}
	return append(bytes.Join(heads, nil), raw...)
}

// deepSubgraphs is a model whose only content is subgraphs in each other.
func deepSubgraphs(depth int) []byte {
	fields := []protowire.Number{7}
	for range depth {
		fields = append(fields, 1, 5, 6) // node, attribute, g
	}
	return nested(nil, fields...)
}

// repeatedField is field of a graph, count times over.
func repeatedField(count int, field protowire.Number, content []byte) []byte {
	one := protowire.AppendBytes(protowire.AppendTag(nil, field, protowire.BytesType), content)
	return nested(bytes.Repeat(one, count), 7)
}

package eval_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/backend/eval"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/onnx"
	"github.com/moezoo/moezoo/graph/onnx/pb"
)

func call(op string, in, out []string, attrs ...*pb.AttributeProto) *pb.NodeProto {
	domain := ""
	if strings.HasPrefix(op, "my.") {
		domain, op = "my", op[3:]
	}
	return &pb.NodeProto{OpType: op, Domain: domain, Input: in, Output: out, Attribute: attrs}
}

// withFunctions is a file of floats x [3] → y with two functions:
//
//	my.Leak(x; slope = 0.5) = LeakyRelu(x, slope)
//	my.Twice(a, b) = my.Leak(Clip(a, high = b), slope = 0.25) + a, and a itself
func withFunctions(nodes []*pb.NodeProto) *pb.ModelProto {
	ref := attr("alpha", float32(0))
	ref.RefAttrName = "slope"
	imports := []*pb.OperatorSetIdProto{{Version: 18}, {Domain: "my", Version: 1}}
	float := &pb.TypeProto{Value: &pb.TypeProto_TensorType{TensorType: &pb.TypeProto_Tensor{
		ElemType: int32(pb.TensorProto_FLOAT),
		Shape:    &pb.TensorShapeProto{Dim: []*pb.TensorShapeProto_Dimension{{Value: &pb.TensorShapeProto_Dimension_DimValue{DimValue: 3}}}},
	}}}
	return &pb.ModelProto{
		IrVersion: 8, OpsetImport: imports,
		Functions: []*pb.FunctionProto{
			{
				Name: "Leak", Domain: "my", Input: []string{"x"}, Output: []string{"y"}, OpsetImport: imports,
				AttributeProto: []*pb.AttributeProto{attr("slope", float32(.5))},
				Node:           []*pb.NodeProto{call("LeakyRelu", []string{"x"}, []string{"y"}, ref)},
			},
			{
				Name: "Twice", Domain: "my", Input: []string{"a", "b"}, Output: []string{"y", "a"}, OpsetImport: imports,
				Node: []*pb.NodeProto{
					call("Clip", []string{"a", "", "b"}, []string{"x"}), // x is another value than that of the graph
					call("my.Leak", []string{"x"}, []string{"z"}, attr("slope", float32(.25))),
					call("Add", []string{"z", "a"}, []string{"y"}),
				},
			},
		},
		Graph: &pb.GraphProto{
			Name: "g", Node: nodes,
			Input:       []*pb.ValueInfoProto{{Name: "x", Type: float}},
			Output:      []*pb.ValueInfoProto{{Name: "y", Type: float}},
			Initializer: []*pb.TensorProto{{Name: "one", DataType: int32(pb.TensorProto_FLOAT), FloatData: []float32{1}}},
		},
	}
}

// TestFunctionsAreWrittenOut runs files whose nodes call functions of the file, with
// defaults, references, absent inputs and calls inside of calls.
func TestFunctionsAreWrittenOut(t *testing.T) {
	d := cpu.New(1)
	defer d.Close()
	for _, c := range []struct {
		name  string
		nodes []*pb.NodeProto
		want  []float32 // of x = −4, 0, 4
	}{
		{"default", []*pb.NodeProto{call("my.Leak", []string{"x"}, []string{"y"})}, []float32{-2, 0, 4}},
		{"attribute", []*pb.NodeProto{call("my.Leak", []string{"x"}, []string{"y"}, attr("slope", float32(.125)))}, []float32{-.5, 0, 4}},
		{"nested", []*pb.NodeProto{call("my.Twice", []string{"x", "one"}, []string{"y", ""})}, []float32{-5, 0, 5}},
		{"absent input", []*pb.NodeProto{call("my.Twice", []string{"x"}, []string{"y"})}, []float32{-5, 0, 8}},
		{"an input handed on", []*pb.NodeProto{call("my.Twice", []string{"x", ""}, []string{"", "y"})}, []float32{-4, 0, 4}},
		{"twice the same", []*pb.NodeProto{
			call("my.Twice", []string{"x", ""}, []string{"u", "v"}), call("my.Twice", []string{"u", "one"}, []string{"w"}), call("Sub", []string{"w", "v"}, []string{"y"}),
		}, []float32{-6.25 + 4, 0, 5}},
	} {
		raw, err := proto.Marshal(withFunctions(c.nodes))
		if err != nil {
			t.Fatal(err)
		}
		f, err := onnx.ReadBytes(raw)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		x := backend.NewTensor(graph.Float32, 3)
		copy(x.F32(), []float32{-4, 0, 4})
		out, err := eval.New(f.Graph, d, eval.Limits{}).Run(context.Background(), map[string]*backend.Tensor{"x": x})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if got := out[0].F32(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

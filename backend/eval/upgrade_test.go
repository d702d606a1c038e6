package eval_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
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

// attr makes an attribute of whichever kind v is.
func attr(name string, v any) *pb.AttributeProto {
	switch v := v.(type) {
	case int:
		return &pb.AttributeProto{Name: name, Type: pb.AttributeProto_INT, I: int64(v)}
	case float32:
		return &pb.AttributeProto{Name: name, Type: pb.AttributeProto_FLOAT, F: v}
	case string:
		return &pb.AttributeProto{Name: name, Type: pb.AttributeProto_STRING, S: []byte(v)}
	case []int64:
		return &pb.AttributeProto{Name: name, Type: pb.AttributeProto_INTS, Ints: v}
	}
	panic(fmt.Sprintf("attribute %s of %T", name, v))
}

// oneNode is the file of one operator, x [2, 2, 2] and, when the operator has two inputs, w [2].
func oneNode(t *testing.T, opset int64, op string, inputs, outputs int, attrs ...*pb.AttributeProto) (*onnx.File, error) {
	t.Helper()
	info := func(name string, dims ...int64) *pb.ValueInfoProto {
		shape := &pb.TensorShapeProto{}
		for _, d := range dims {
			shape.Dim = append(shape.Dim, &pb.TensorShapeProto_Dimension{Value: &pb.TensorShapeProto_Dimension_DimValue{DimValue: d}})
		}
		return &pb.ValueInfoProto{Name: name, Type: &pb.TypeProto{Value: &pb.TypeProto_TensorType{TensorType: &pb.TypeProto_Tensor{ElemType: int32(pb.TensorProto_FLOAT), Shape: shape}}}}
	}
	n := &pb.NodeProto{OpType: op, Attribute: attrs, Input: []string{"x", "w"}[:inputs]}
	g := &pb.GraphProto{Name: "g", Node: []*pb.NodeProto{n}, Input: []*pb.ValueInfoProto{info("x", 2, 2, 2), info("w", 2)}[:inputs]}
	for i := range outputs {
		name := fmt.Sprintf("y%d", i)
		n.Output = append(n.Output, name)
		g.Output = append(g.Output, &pb.ValueInfoProto{Name: name, Type: &pb.TypeProto{Value: &pb.TypeProto_TensorType{TensorType: &pb.TypeProto_Tensor{ElemType: int32(pb.TensorProto_FLOAT)}}}})
	}
	raw, err := proto.Marshal(&pb.ModelProto{IrVersion: 3, Graph: g, OpsetImport: []*pb.OperatorSetIdProto{{Version: opset}}})
	if err != nil {
		t.Fatal(err)
	}
	return onnx.ReadBytes(raw)
}

// TestOldOpsetsAreUpgraded runs nodes in the forms that versions before 18 had. The results
// are worked out by hand from the operators' changelog.
func TestOldOpsetsAreUpgraded(t *testing.T) {
	d := cpu.New(1)
	defer d.Close()
	quarter := []float32{.25, .25, .25, .25, .25, .25, .25, .25} // softmax of four equal numbers
	half := []float32{.5, .5, .5, .5, .5, .5, .5, .5}
	count := []float32{0, 1, 2, 3, 4, 5, 6, 7}
	for _, c := range []struct {
		opset   int64
		op      string
		attrs   []*pb.AttributeProto
		inputs  int
		outputs int
		x       []float32
		shape   string // of the first output
		want    []float32
	}{
		{11, "Softmax", nil, 1, 1, make([]float32, 8), "[2 2 2]", quarter}, // axis 1: the last two axes are one
		{11, "Softmax", []*pb.AttributeProto{attr("axis", 2)}, 1, 1, make([]float32, 8), "[2 2 2]", half},
		{1, "Softmax", []*pb.AttributeProto{attr("axis", 0)}, 1, 1, make([]float32, 8), "[2 2 2]", []float32{.125, .125, .125, .125, .125, .125, .125, .125}},
		{13, "Softmax", nil, 1, 1, make([]float32, 8), "[2 2 2]", half},
		{11, "LogSoftmax", nil, 1, 1, make([]float32, 8), "[2 2 2]", repeat(float32(-math.Log(4)), 8)},
		{11, "Unsqueeze", []*pb.AttributeProto{attr("axes", []int64{0, 4})}, 1, 1, count, "[1 2 2 2 1]", count},
		{11, "Split", []*pb.AttributeProto{attr("axis", 2), attr("split", []int64{1, 1})}, 1, 2, count, "[2 2 1]", []float32{0, 2, 4, 6}},
		{2, "Split", []*pb.AttributeProto{attr("axis", 0)}, 1, 2, count, "[1 2 2]", count[:4]},
		{1, "ReduceSum", []*pb.AttributeProto{attr("axes", []int64{1}), attr("keepdims", 0)}, 1, 1, count, "[2 2]", []float32{2, 4, 10, 12}},
		{17, "ReduceMax", []*pb.AttributeProto{attr("axes", []int64{-1})}, 1, 1, count, "[2 2 1]", []float32{1, 3, 5, 7}},
		{1, "Reshape", []*pb.AttributeProto{attr("shape", []int64{4, -1}), attr("consumed_inputs", []int64{0})}, 1, 1, count, "[4 2]", count},
		{1, "Slice", []*pb.AttributeProto{attr("starts", []int64{1, 0}), attr("ends", []int64{9, -1}), attr("axes", []int64{0, 2})}, 1, 1, count, "[1 2 1]", []float32{4, 6}},
		{9, "Slice", []*pb.AttributeProto{attr("starts", []int64{1}), attr("ends", []int64{2})}, 1, 1, count, "[1 2 2]", count[4:]},
		{1, "TopK", []*pb.AttributeProto{attr("k", 1)}, 1, 2, count, "[2 2 1]", []float32{1, 3, 5, 7}},
		{2, "Pad", []*pb.AttributeProto{attr("pads", []int64{0, 0, 1, 0, 0, 0}), attr("value", float32(9))}, 1, 1, count, "[2 2 3]", []float32{9, 0, 1, 9, 2, 3, 9, 4, 5, 9, 6, 7}},
		{1, "Pad", []*pb.AttributeProto{attr("paddings", []int64{0, 0, 0, 0, 0, 1}), attr("mode", "edge")}, 1, 1, count, "[2 2 3]", []float32{0, 1, 1, 2, 3, 3, 4, 5, 5, 6, 7, 7}},
		{6, "Clip", []*pb.AttributeProto{attr("max", float32(3))}, 1, 1, count, "[2 2 2]", []float32{0, 1, 2, 3, 3, 3, 3, 3}},
		{6, "Clip", []*pb.AttributeProto{attr("min", float32(5))}, 1, 1, count, "[2 2 2]", []float32{5, 5, 5, 5, 5, 5, 6, 7}},
		{7, "Dropout", []*pb.AttributeProto{attr("ratio", float32(.9))}, 1, 1, count, "[2 2 2]", count},
		{1, "Dropout", []*pb.AttributeProto{attr("is_test", 1)}, 1, 1, count, "[2 2 2]", count},
		{1, "Concat", nil, 1, 1, count, "[2 2 2]", count},
		{6, "Add", []*pb.AttributeProto{attr("broadcast", 1), attr("axis", 0)}, 2, 1, count, "[2 2 2]", []float32{10, 11, 12, 13, 24, 25, 26, 27}},
		{6, "Mul", []*pb.AttributeProto{attr("broadcast", 1), attr("axis", -2)}, 2, 1, count, "[2 2 2]", []float32{0, 10, 40, 60, 40, 50, 120, 140}},
		{6, "Sub", []*pb.AttributeProto{attr("broadcast", 1)}, 2, 1, count, "[2 2 2]", []float32{-10, -19, -8, -17, -6, -15, -4, -13}},
	} {
		f, err := oneNode(t, c.opset, c.op, c.inputs, c.outputs, c.attrs...)
		if err != nil {
			t.Errorf("%s at %d: %v", c.op, c.opset, err)
			continue
		}
		x, w := backend.NewTensor(graph.Float32, 2, 2, 2), backend.NewTensor(graph.Float32, 2)
		copy(x.F32(), c.x)
		copy(w.F32(), []float32{10, 20})
		out, err := eval.New(f.Graph, d, eval.Limits{}).Run(context.Background(), map[string]*backend.Tensor{"x": x, "w": w})
		if err != nil {
			t.Errorf("%s at %d: %v", c.op, c.opset, err)
			continue
		}
		if got := fmt.Sprint(out[0].Shape); got != c.shape {
			t.Errorf("%s at %d has the shape %s, want %s", c.op, c.opset, got, c.shape)
		}
		for i, want := range c.want {
			if got := out[0].F32()[i]; math.Abs(float64(got-want)) > 1e-6 {
				t.Errorf("%s at %d: element %d is %v, want %v", c.op, c.opset, i, got, want)
				break
			}
		}
	}
}

func repeat(x float32, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = x
	}
	return out
}

// TestVersionsOfAnotherMeaningAreUnsupported: what cannot be said here is refused with the
// operator and its version, and is no failure of the file.
func TestVersionsOfAnotherMeaningAreUnsupported(t *testing.T) {
	for _, c := range []struct {
		opset int64
		op    string
		attrs []*pb.AttributeProto
		want  string
	}{
		{8, "Scan", nil, "operator Scan of opset 8, whose form changed at 9, is not supported"},
		{5, "Cast", []*pb.AttributeProto{attr("to", "FLOAT")}, "operator Cast of opset 5, whose form changed at 6, is not supported"},
		{5, "Tile", nil, "operator Tile of opset 5, whose form changed at 6, is not supported"},
		{6, "Dropout", nil, "operator Dropout of opset 6, which drops at random, is not supported"},
		{27, "Range", []*pb.AttributeProto{attr("stash_type", 1)}, `attribute "stash_type" of operator Range at opset 27 is not supported`},
		{99, "Add", nil, "opset 99 of the standard operators (1 to 28 are) is not supported"},
	} {
		_, err := oneNode(t, c.opset, c.op, 1, 1, c.attrs...)
		var no *onnx.Unsupported
		if !errors.As(err, &no) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s at %d: %v, want %s", c.op, c.opset, err, c.want)
		}
	}
}

// TestReductionsOfIntegersAreExact: float64 holds no integers beyond 2⁵³.
func TestReductionsOfIntegersAreExact(t *testing.T) {
	d := cpu.New(1)
	defer d.Close()
	const big = math.MaxInt64
	for _, c := range []struct {
		op   string
		x    []int64
		want int64
	}{
		{"ReduceSum", []int64{1 << 53, 1, 1 << 60}, 1<<53 + 1 + 1<<60},
		{"ReduceMax", []int64{big - 1, big, 3}, big},
		{"ReduceMin", []int64{big, big - 1}, big - 1},
		{"ReduceProd", []int64{1<<31 + 1, 1<<31 - 1}, 1<<62 - 1},
		{"ReduceSumSquare", []int64{1<<30 + 1}, 1<<60 + 1<<31 + 1},
		{"ReduceL1", []int64{-1 << 60, 1}, 1<<60 + 1},
		{"ReduceMax", nil, math.MinInt64},
		{"ReduceMin", nil, math.MaxInt64},
	} {
		g := graph.New("g")
		o, err := graph.Lookup("", c.op)
		if err != nil {
			t.Fatal(err)
		}
		x := g.Input("x", graph.Int64, graph.Dims(int64(len(c.x))))
		g.Output(g.Apply(o, graph.Attrs{"keepdims": int64(0)}, 1, x)...)
		in := backend.NewTensor(graph.Int64, len(c.x))
		copy(in.I64(), c.x)
		out, err := eval.New(g, d, eval.Limits{}).Run(context.Background(), map[string]*backend.Tensor{"x": in})
		if err != nil {
			t.Fatal(err)
		}
		if got := int64(binary.LittleEndian.Uint64(out[0].Data)); got != c.want {
			t.Errorf("%s of %v is %d, want %d", c.op, c.x, got, c.want)
		}
	}
}

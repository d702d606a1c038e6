package onnx

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/moezoo/moezoo/graph/onnx/pb"
)

func node(op, in, out string, attributes ...*pb.AttributeProto) *pb.NodeProto {
	return &pb.NodeProto{OpType: op, Name: op + " " + out, Input: strings.Fields(in), Output: strings.Fields(out), Attribute: attributes}
}

// ints is a constant vector.
func ints(out string, values ...int64) *pb.NodeProto {
	var raw []byte
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	t := &pb.TensorProto{DataType: int32(pb.TensorProto_INT64), Dims: []int64{int64(len(values))}, RawData: raw}
	return node("Constant", "", out, &pb.AttributeProto{Name: "value", Type: pb.AttributeProto_TENSOR, T: t})
}

func floats(name string) *pb.ValueInfoProto {
	dim := func(name string) *pb.TensorShapeProto_Dimension {
		return &pb.TensorShapeProto_Dimension{Value: &pb.TensorShapeProto_Dimension_DimParam{DimParam: name}}
	}
	return &pb.ValueInfoProto{Name: name, Type: &pb.TypeProto{Value: &pb.TypeProto_TensorType{TensorType: &pb.TypeProto_Tensor{
		ElemType: int32(pb.TensorProto_FLOAT), Shape: &pb.TensorShapeProto{Dim: []*pb.TensorShapeProto_Dimension{dim("A"), dim("B"), dim("C")}},
	}}}}
}

// model is x [A, B, C] → y.
func model(nodes ...*pb.NodeProto) *pb.ModelProto {
	return &pb.ModelProto{IrVersion: 8, OpsetImport: []*pb.OperatorSetIdProto{{Version: 18}}, Graph: &pb.GraphProto{
		Name: "main", Node: nodes, Input: []*pb.ValueInfoProto{floats("x")}, Output: []*pb.ValueInfoProto{{Name: "y"}},
	}}
}

// chain is n steps, each made of the value before it.
func chain(n int, step func(in, out string) []*pb.NodeProto, first, last string) []*pb.NodeProto {
	var all []*pb.NodeProto
	for i := range n {
		out := fmt.Sprint("v", i)
		if i == n-1 {
			out = last
		}
		all = append(all, step(first, out)...)
		first = out
	}
	return all
}

// old is the model at an older opset.
func old(opset int64, m *pb.ModelProto) *pb.ModelProto {
	m.OpsetImport[0].Version = opset
	return m
}

// calling is the model with the function f.X, x → y, of a single node.
func calling(m *pb.ModelProto) *pb.ModelProto {
	m.OpsetImport = append(m.OpsetImport, &pb.OperatorSetIdProto{Domain: "f", Version: 1})
	m.Functions = []*pb.FunctionProto{{Domain: "f", Name: "X", Input: []string{"x"}, Output: []string{"y"}, OpsetImport: m.OpsetImport[:1], Node: []*pb.NodeProto{node("Neg", "x", "y")}}}
	return m
}

// hostile are files that are sound messages and yet ask for too much of who infers their
// shapes. refuse is empty where reading them is harmless.
var hostile = []struct {
	name, refuse string
	m            *pb.ModelProto
}{
	{"sizes squared 60 times", "", model(append([]*pb.NodeProto{node("Shape", "x", "s")}, append(chain(60, func(in, out string) []*pb.NodeProto {
		return []*pb.NodeProto{node("Mul", in+" "+in, out+"q"), node("Add", out+"q s", out)}
	}, "s", "z"), node("Expand", "x z", "y"))...)...)},
	{"minima nested 200 times", "", model(append([]*pb.NodeProto{node("Shape", "x", "s"), ints("three", 3)}, append(chain(200, func(in, out string) []*pb.NodeProto {
		return []*pb.NodeProto{node("Div", in+" three", out+"d"), node("Mul", in+" "+out+"d", out+"m"), node("Min", out+"m "+in, out)}
	}, "s", "z"), node("Expand", "x z", "y"))...)...)},
	{"an extent doubled 70 times", "", model(append([]*pb.NodeProto{ints("i", 0), node("Gather", "x i", "g")}, chain(70, func(in, out string) []*pb.NodeProto {
		return []*pb.NodeProto{node("Concat", in+" "+in, out, &pb.AttributeProto{Name: "axis", Type: pb.AttributeProto_INT})}
	}, "g", "y")...)...)},
	{"a symbolic extent doubled 70 times", "", model(chain(70, func(in, out string) []*pb.NodeProto {
		return []*pb.NodeProto{node("Concat", in+" "+in, out, &pb.AttributeProto{Name: "axis", Type: pb.AttributeProto_INT})}
	}, "x", "y")...)},
	{"a rank that grows 200 times", "", model(append([]*pb.NodeProto{ints("zero", 0)}, chain(200, func(in, out string) []*pb.NodeProto {
		return []*pb.NodeProto{node("Unsqueeze", in+" zero", out)}
	}, "x", "y")...)...)},
	{"escapes in an operator", "operator", model(node("\x1b[31m\n", "x", "y"))},
	{"escapes in a node", "operator", model(&pb.NodeProto{Name: "\x1b[31m\n", OpType: "Nonsense", Input: []string{"x"}, Output: []string{"y"}})},
	{"a long operator", "operator", model(node(strings.Repeat("x", 1<<20), "x", "y"))},
	{"7,000 nodes that need others in front", "", old(1, model(chain(7_000, func(in, out string) []*pb.NodeProto {
		return []*pb.NodeProto{node("Softmax", in, out, &pb.AttributeProto{Name: "axis", Type: pb.AttributeProto_INT})}
	}, "x", "y")...))},
	{"15,000 calls of a function", "", calling(model(chain(15_000, func(in, out string) []*pb.NodeProto {
		return []*pb.NodeProto{{OpType: "X", Domain: "f", Input: []string{in}, Output: []string{out}}}
	}, "x", "y")...))},
	{"30,000 nodes of one name", "", model(chain(30_000, func(in, out string) []*pb.NodeProto {
		return []*pb.NodeProto{{Name: "n", OpType: "Neg", Input: []string{in}, Output: []string{out}}}
	}, "x", "y")...)},
}

func TestHostileFilesAreReadInBoundedMemoryAndTime(t *testing.T) {
	for _, h := range hostile {
		t.Run(h.name, func(t *testing.T) {
			raw, err := proto.Marshal(h.m)
			if err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err = ReadBytes(raw)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if (err != nil) != (h.refuse != "") || err != nil && !strings.Contains(err.Error(), h.refuse) {
				t.Errorf("%v, want %q", err, h.refuse)
			}
			if err != nil && (strings.ContainsAny(err.Error(), "\x1b\n") || len(err.Error()) > 1000) {
				t.Errorf("not one clean line: %.200q", err)
			}
			if heap := after.TotalAlloc - before.TotalAlloc; heap > uint64(2*len(raw)+64<<20) {
				t.Errorf("%d MiB of heap for %d bytes", heap>>20, len(raw))
			}
			if took > 10*time.Second { // far more than it takes, for busy machines
				t.Errorf("took %v", took)
			}
			t.Logf("%v: %.200v", took.Round(time.Microsecond), err)
		})
	}
}

func FuzzReadBytes(f *testing.F) {
	for _, h := range hostile {
		if raw, err := proto.Marshal(h.m); err == nil && len(raw) < 1<<16 {
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 1<<16 {
			return
		}
		start := time.Now()
		_, err := ReadBytes(raw)
		if err != nil && strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Fatalf("not one clean line: %q", err)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Fatalf("took %v", took)
		}
	})
}

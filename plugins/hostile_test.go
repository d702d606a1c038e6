package plugins_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/moezoo/moezoo/graph/onnx/pb"
	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/plugins/wire"
)

// node is an operator of a hostile function.
func node(op, in, out string, attributes ...*pb.AttributeProto) *pb.NodeProto {
	return &pb.NodeProto{OpType: op, Name: op + " " + out, Input: strings.Fields(in), Output: strings.Fields(out), Attribute: attributes}
}

func integer(name string, i int64) *pb.AttributeProto {
	return &pb.AttributeProto{Name: name, Type: pb.AttributeProto_INT, I: i}
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

// expert is a function of an expert with these nodes.
func expert(nodes ...*pb.NodeProto) *pb.FunctionProto {
	return &pb.FunctionProto{
		Name: "f", Domain: "plugin", Input: []string{"x"}, Output: []string{"y"}, Node: nodes,
		OpsetImport: []*pb.OperatorSetIdProto{{Version: 18}},
	}
}

func changed(f *pb.FunctionProto, change func(*pb.FunctionProto)) *pb.FunctionProto {
	change(f)
	return f
}

// repeated is a chain of n nodes, each made of the value before it.
func repeated(n int, make func(in, out string) []*pb.NodeProto, first, last string) []*pb.NodeProto {
	var all []*pb.NodeProto
	for i := range n {
		out := fmt.Sprint("v", i)
		if i == n-1 {
			out = last
		}
		all = append(all, make(first, out)...)
		first = out
	}
	return all
}

// hostileFunctions are functions that an expert must not answer, with words of the
// refusal. Each is also a seed.
var hostileFunctions = []struct {
	name  string
	f     *pb.FunctionProto
	wants []string
}{
	{"cycle", expert(node("Add", "x b", "a"), node("Neg", "a", "b"), node("Identity", "b", "y")), []string{"cycle", `"Add a" needs "Neg b" needs "Add a"`}},
	{"calls itself", changed(expert(&pb.NodeProto{OpType: "f", Domain: "plugin", Input: []string{"x"}, Output: []string{"y"}}), func(f *pb.FunctionProto) {
		f.OpsetImport = append(f.OpsetImport, &pb.OperatorSetIdProto{Domain: "plugin", Version: 1})
	}), []string{"calls itself"}},
	{"old opset", changed(expert(node("Identity", "x", "y")), func(f *pb.FunctionProto) { f.OpsetImport[0].Version = 9 }), []string{"at version 9", "at 18"}},
	{"future opset", changed(expert(node("Identity", "x", "y")), func(f *pb.FunctionProto) { f.OpsetImport[0].Version = 999 }), []string{"999"}},
	{"other domain", changed(expert(node("Identity", "x", "y")), func(f *pb.FunctionProto) {
		f.OpsetImport = append(f.OpsetImport, &pb.OperatorSetIdProto{Domain: "com.evil", Version: 1})
	}), []string{"com.evil"}},
	{"no opset", changed(expert(node("Identity", "x", "y")), func(f *pb.FunctionProto) { f.OpsetImport = nil }), []string{"opset_import"}},
	{"unknown operator", expert(node("Identiy", "x", "y")), []string{"Identiy"}},
	{"control flow", expert(node("If", "x", "y")), []string{"If is not allowed"}},
	{"operator newer than the opset", expert(node("Attention", "x x x", "y")), []string{"Attention is not allowed"}},
	{"training operator", changed(expert(&pb.NodeProto{OpType: "SelectiveScanGrad", Domain: "zoo", Input: []string{"x"}, Output: []string{"y"}}), func(f *pb.FunctionProto) {
		f.OpsetImport = append(f.OpsetImport, &pb.OperatorSetIdProto{Domain: "zoo", Version: 1})
	}), []string{"SelectiveScanGrad"}},
	{"other input", changed(expert(node("Identity", "z", "y")), func(f *pb.FunctionProto) { f.Input[0] = "z" }), []string{`"z"`, `want "x"`}},
	{"more inputs", changed(expert(node("Identity", "x", "y")), func(f *pb.FunctionProto) { f.Input = append(f.Input, "w") }), []string{"2 inputs"}},
	{"other output", changed(expert(node("Identity", "x", "z")), func(f *pb.FunctionProto) { f.Output[0] = "z" }), []string{`output "y" is missing`}},
	{"escapes in a name", expert(&pb.NodeProto{OpType: "Identity", Name: "\x1b[31m\nzoo: all is well", Input: []string{"nothing"}, Output: []string{"y"}}), []string{"nothing"}},
	{"escapes in an operator", expert(node("\x1b[2J\n", "x", "y")), nil},
	{"escapes in an output", changed(expert(node("Identity", "x", "z")), func(f *pb.FunctionProto) {
		f.Node[0].Output[0], f.Output[0] = "\x1b[31m\n", "\x1b[31m\n"
	}), []string{"missing"}},
	{"attributes", changed(expert(node("Identity", "x", "y")), func(f *pb.FunctionProto) { f.Attribute = []string{"a"} }), []string{"attributes"}},
	{"external weights", expert(node("Constant", "", "c", &pb.AttributeProto{Name: "value", Type: pb.AttributeProto_TENSOR, T: &pb.TensorProto{
		DataType: 1, Dims: []int64{1}, DataLocation: pb.TensorProto_EXTERNAL, ExternalData: []*pb.StringStringEntryProto{{Key: "location", Value: "/etc/passwd"}},
	}}), node("Add", "x c", "y")), []string{"/etc/passwd"}},
	{"constant of 2^62 dims", expert(node("Constant", "", "c", &pb.AttributeProto{Name: "value", Type: pb.AttributeProto_TENSOR, T: &pb.TensorProto{DataType: 1, Dims: []int64{1 << 62}}}), node("Add", "x c", "y")), []string{"dims"}},
	{"expand to 2^62", expert(ints("s", 1<<62, 1, 1), node("Expand", "x s", "y")), []string{"y"}},
	{"expand to 2^120", expert(ints("s", 1<<60, 1<<60, 1, 1), node("Expand", "x s", "y")), []string{"y"}},
	{"tile 2^62 times", expert(ints("s", 1, 1<<62), node("Tile", "x s", "y")), []string{"y"}},
	{"range of 2^62", expert(node("Constant", "", "a", integer("value_int", 0)), node("Constant", "", "b", integer("value_int", 1<<62)), node("Constant", "", "c", integer("value_int", 1)), node("Range", "a b c", "y")), []string{"y"}},
	{"zeros of 2^62", expert(ints("s", 1<<62), node("ConstantOfShape", "s", "y")), []string{"y"}},
	{"one-hot of depth 2^62", expert(ints("i", 0), ints("d", 1<<62), ints("v", 0, 1), node("OneHot", "i d v", "y")), []string{"y"}},
	{"negative pads", expert(ints("p", 0, 0, 0, math.MinInt64), node("Pad", "x p", "y")), []string{"y"}},
	{"pads that overflow", expert(ints("p", 0, math.MaxInt64, 0, math.MaxInt64), node("Pad", "x p", "y")), []string{"y"}},
	{"reshape that overflows", expert(ints("s", 1<<32, 1<<32), node("Reshape", "x s", "y")), []string{"y"}},
	{"reshape by -1 twice", expert(ints("s", -1, -1), node("Reshape", "x s", "y")), []string{"y"}},
	{"gather far outside", expert(ints("i", math.MaxInt64), node("Gather", "x i", "y", integer("axis", 0))), []string{"y"}},
	{"axis far outside", expert(node("Softmax", "x", "y", integer("axis", math.MinInt64))), []string{"axis"}},
	{"split in 2^62", expert(node("Split", "x", "y", integer("num_outputs", 1<<62))), []string{"y"}},
	{"concatenation doubled 70 times", expert(repeated(70, func(in, out string) []*pb.NodeProto {
		return []*pb.NodeProto{node("Concat", in+" "+in, out, integer("axis", 1))}
	}, "x", "y")...), []string{"extent above"}},
	{"tile doubled 70 times", expert(append([]*pb.NodeProto{ints("s", 1, 2)}, repeated(70, func(in, out string) []*pb.NodeProto {
		return []*pb.NodeProto{node("Tile", in+" s", out)}
	}, "x", "y")...)...), []string{"extent above"}},
	{"a size that is squared 40 times", expert(append([]*pb.NodeProto{node("Shape", "x", "s")}, append(repeated(40, func(in, out string) []*pb.NodeProto {
		return []*pb.NodeProto{node("Mul", in+" "+in, out+"q"), node("Add", out+"q "+"s", out)}
	}, "s", "z"), node("Expand", "x z", "y"))...)...), []string{"y"}},
	{"minima that are nested 60 times", expert(append([]*pb.NodeProto{node("Shape", "x", "s"), ints("three", 3)}, append(repeated(60, func(in, out string) []*pb.NodeProto {
		return []*pb.NodeProto{node("Div", in+" three", out+"d"), node("Mul", in+" "+out+"d", out+"m"), node("Min", out+"m "+in, out)}
	}, "s", "z"), node("Expand", "x z", "y"))...)...), []string{"y"}},
	{"rank 10,000", expert(ints("s", make([]int64, 10_000)...), node("ConstantOfShape", "s", "y")), []string{"y"}},
	{"200,000 nodes", expert(repeated(200_000, func(in, out string) []*pb.NodeProto { return []*pb.NodeProto{node("Neg", in, out)} }, "x", "y")...), nil},
}

// check holds the bytes of an expert's function as an answer is held.
func check(raw []byte) error {
	v := plugins.Variant{Name: "hostile", Kind: plugins.ExpertKind}
	return plugins.CheckFunctions(v, &wire.BuildRequest{Dims: map[string]int64{"d_model": 8}}, &wire.BuildResponse{Train: raw})
}

func encoded(t testing.TB, f *pb.FunctionProto) []byte {
	t.Helper()
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestHostileFunctionsAreRefusedInBoundedMemoryAndTime(t *testing.T) {
	if err := check(encoded(t, expert(node("Identity", "x", "y")))); err != nil {
		t.Fatal(err)
	}
	for _, h := range hostileFunctions {
		t.Run(h.name, func(t *testing.T) {
			raw := encoded(t, h.f)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			err := check(raw)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range h.wants {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v lacks %q", err, want)
				}
			}
			if len(err.Error()) > 2000 {
				t.Errorf("a message of %d bytes", len(err.Error()))
			}
			if heap := after.TotalAlloc - before.TotalAlloc; heap > uint64(2*len(raw)+64<<20) {
				t.Errorf("%d MiB of heap for %d bytes", heap>>20, len(raw))
			}
			if took > 10*time.Second { // far more than it takes, for busy machines
				t.Errorf("took %v", took)
			}
			t.Logf("%v: %v", took.Round(time.Microsecond), err)
		})
	}
}

func FuzzFunction(f *testing.F) {
	f.Add(encoded(f, expert(node("Identity", "x", "y"))))
	for _, h := range hostileFunctions {
		if raw := encoded(f, h.f); len(raw) < 1<<16 {
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 1<<16 {
			return
		}
		start := time.Now()
		_ = check(raw)
		if took := time.Since(start); took > 20*time.Second {
			t.Fatalf("took %v", took)
		}
	})
}

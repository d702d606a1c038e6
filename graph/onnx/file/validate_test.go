package file

import (
	"testing"

	"github.com/moezoo/moezoo/graph/onnx/pb"
)

// loop is a node with a body that reads a value from around it.
func loop(in, out string, body *pb.GraphProto) *pb.NodeProto {
	n := node("Loop", in, out)
	n.Attribute = []*pb.AttributeProto{{Name: "body", Type: pb.AttributeProto_GRAPH, G: body}}
	return n
}

func body(nodes ...*pb.NodeProto) *pb.GraphProto {
	return &pb.GraphProto{Name: "body", Input: []*pb.ValueInfoProto{{Name: "i"}}, Output: []*pb.ValueInfoProto{{Name: "o"}}, Node: nodes}
}

func TestSoundModelsAreAccepted(t *testing.T) {
	for name, m := range map[string]*pb.ModelProto{
		"identity":                          model(),
		"subgraph sees the values around":   model(loop("x", "y", body(node("Add", "i x", "o")))),
		"siblings use the same names":       model(loop("x", "h", body(node("Add", "i x", "o"))), loop("h", "y", body(node("Add", "i h", "o")))),
		"initialiser is an input's default": initialised(tensor("x", make([]byte, 8), 2)),
		"optional input and output":         model(&pb.NodeProto{OpType: "Clip", Input: []string{"x", "", "x"}, Output: []string{"", "y"}}),
		"functions call functions":          withFunctions(chain(40)...),
		"default domain has two names": with(model(), func(m *pb.ModelProto) {
			m.OpsetImport[0].Domain = "ai.onnx"
		}),
		"attribute of the caller": withFunctions(with4(function("f", with3(node("Neg", "x", "y"), &pb.AttributeProto{Name: "axis", Type: pb.AttributeProto_INT, RefAttrName: "axis"})), "axis")),
		"packed types":            initialised(&pb.TensorProto{Name: "w", DataType: 22, Dims: []int64{3}, RawData: []byte{1, 2}}),
		"zero-size tensor":        initialised(tensor("w", nil, 0, 5)),
	} {
		if err := Validate(m); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := ReadBytes(encoded(t, m)); err != nil {
			t.Errorf("%s, from bytes: %v", name, err)
		}
	}
}

func with4(f *pb.FunctionProto, attributes ...string) *pb.FunctionProto {
	f.Attribute = attributes
	return f
}

func TestFaultsInsideSubgraphsAreFoundAndPlaced(t *testing.T) {
	place := `graph.node[0]("Loop:y").attribute[0]("body").g`
	for want, m := range map[string]*pb.ModelProto{
		`value "z" is not defined`:      model(loop("x", "y", body(node("Add", "i z", "o")))),
		`value "x" is defined twice`:    model(loop("x", "y", body(node("Neg", "i", "x"), node("Neg", "x", "o")))),
		`"o"): is no value`:             model(loop("x", "y", body(node("Neg", "i", "p")))),
		`value "i" is defined twice`:    model(loop("x", "y", body(node("Neg", "x", "i")))),
		"the product of the dimensions": model(loop("x", "y", body(constant(tensor("", nil, 1<<62, 4)), node("Neg", "i", "o")))),
	} {
		refused(t, Validate(m), place, want)
	}
}

func TestACycleThroughASubgraphIsNamed(t *testing.T) {
	refused(t, Validate(model(node("Neg", "y", "h"), loop("x", "y", body(node("Add", "i h", "o"))))), `"Neg:h" needs "Loop:y" needs "Neg:h"`)
}

func TestNilPartsAreRefusedAndNotFollowed(t *testing.T) {
	for _, m := range []*pb.ModelProto{
		nil,
		{},
		{IrVersion: 8},
		{IrVersion: 8, Graph: &pb.GraphProto{}},
		with(model(), func(m *pb.ModelProto) { m.Graph.Node = append(m.Graph.Node, nil) }),
		with(model(), func(m *pb.ModelProto) { m.Graph.Initializer = []*pb.TensorProto{nil} }),
		with(model(), func(m *pb.ModelProto) { m.Functions = []*pb.FunctionProto{nil} }),
	} {
		refused(t, Validate(m))
	}
}

func TestFunctionsFromElsewhereAreHeldToTheRules(t *testing.T) {
	good := function("f", node("Neg", "x", "h"), node("Abs", "h", "y"))
	if f, err := ParseFunction(encoded(t, good)); err != nil || f.GetName() != "f" || len(f.GetNode()) != 2 {
		t.Fatalf("%v, %v", f, err)
	}
	for _, c := range []struct {
		f    *pb.FunctionProto
		want string
	}{
		{function("f", call("f", "x", "y")), "calls itself"},
		{function("f", loop("x", "y", body(call("f", "i", "o")))), "calls itself"},
		{function("f", node("Add", "x b", "y"), node("Neg", "y", "b")), "cycle"},
		{function("f", node("Neg", "z", "y")), `value "z" is not defined`},
		{function("f", node("Neg", "x", "y"), node("Neg", "x", "y")), `value "y" is defined twice`},
		{function("f", node("Neg", "x", "z")), `"y" is no value`},
		{function("", node("Neg", "x", "y")), "no name"},
		{function("f", constant(external("w")), node("Neg", "x", "y")), "no folder"},
		{with4(function("f", node("Neg", "x", "y")), "a", "a"), "twice"},
		{&pb.FunctionProto{Name: "f"}, "no operator set"},
	} {
		_, err := ParseFunction(encoded(t, c.f))
		refused(t, err, c.want, "function")
	}
}

func TestFunctionsHaveAtMostSoManyNodes(t *testing.T) {
	f := function("f", node("Neg", "x", "y"))
	for range functionNodes - 1 {
		f.Node = append(f.Node, &pb.NodeProto{OpType: "A"})
	}
	if err := ValidateFunction(f); err != nil {
		t.Error(err)
	}
	f.Node[0] = loop("x", "y", body(node("Neg", "i", "o")))
	refused(t, ValidateFunction(f), "more than 100000 nodes")
}

func TestFunctionBytesAreHeldToTheBudget(t *testing.T) {
	var err error
	for name, data := range map[string][]byte{
		"nodes":  nested(nil, 7),
		"inputs": nested(nil, 4),
	} {
		bomb := make([]byte, 0, 10<<20)
		for len(bomb) < cap(bomb) {
			bomb = append(bomb, data...)
		}
		_, heap := spent(func() { _, err = ParseFunction(bomb) })
		refused(t, err, "memory allowed")
		if heap > 64<<20 {
			t.Errorf("%s: %d MiB of heap", name, heap>>20)
		}
	}
	_, err = ParseFunction(make([]byte, functionBytes+1))
	refused(t, err, "above the limit")
	_, err = ParseFunction(nil)
	refused(t, err, "no bytes")
}

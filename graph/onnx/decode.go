package onnx

import (
	"fmt"
	"math"
	"strings"
	"unicode"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/onnx/file"
	"github.com/moezoo/moezoo/graph/onnx/pb"
	_ "github.com/moezoo/moezoo/graph/op" // the operator table
)

// Unsupported says that a file is well-formed, but uses something that this program does
// not have.
type Unsupported struct{ What string }

func (e *Unsupported) Error() string { return e.What + " is not supported" }

// FunctionInput is the name and type of a function's input.
type FunctionInput struct {
	Name string
	Type graph.Type
}

// DecodeFunction reads the bytes of a function whose inputs have these names and types,
// inferring every type inside. allow says which operators it may use; control flow is
// refused.
func DecodeFunction(data []byte, inputs []FunctionInput, allow func(domain, op string) bool) (*graph.Graph, error) {
	f, err := file.ParseFunction(data)
	if err != nil {
		return nil, err
	}
	if err := checkImports(f.OpsetImport); err != nil {
		return nil, err
	}
	if len(f.Attribute)+len(f.AttributeProto) > 0 {
		return nil, fmt.Errorf("the function has attributes, which are not used")
	}
	g := graph.New(f.Name)
	d := &decoder{g: g, values: map[string]*graph.Value{}}
	if len(f.Input) != len(inputs) {
		return nil, fmt.Errorf("the function has %d inputs %v, want %d", len(f.Input), f.Input, len(inputs))
	}
	for i, in := range inputs {
		if f.Input[i] != in.Name {
			return nil, fmt.Errorf("input %d is called %q, want %q", i, f.Input[i], in.Name)
		}
		d.values[in.Name] = g.Input(in.Name, in.Type.DType, in.Type.Shape)
	}
	for _, n := range f.Node {
		if !allow(n.Domain, n.OpType) {
			return nil, fmt.Errorf("node %.80q: operator %s is not allowed", n.Name, qualified(n.Domain, n.OpType))
		}
		if err := d.typedNode(n); err != nil {
			return nil, err
		}
	}
	for _, name := range f.Output {
		v := d.values[name]
		if v == nil || v.Node() == nil {
			return nil, fmt.Errorf("output %q is no result of a node", name)
		}
		g.Rename(v, name)
		g.Output(v)
	}
	return g, g.Err()
}

func checkImports(imports []*pb.OperatorSetIdProto) error {
	for _, o := range imports {
		switch {
		case (o.Domain == "" || o.Domain == "ai.onnx") && o.Version == Opset:
		case o.Domain == graph.Domain && o.Version == zooOpset:
		default:
			return fmt.Errorf("the function imports %q at version %d, want the standard operators at %d and zoo at %d", o.Domain, o.Version, Opset, zooOpset)
		}
	}
	return nil
}

// qualified is an operator's name for a message.
func qualified(domain, op string) string {
	if domain != "" {
		op = domain + "." + op
	}
	return printable(fmt.Sprintf("%.80s", op))
}

// printable replaces what would disturb a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '�'
		}
		return r
	}, s)
}

// decoder builds a graph from messages.
type decoder struct {
	g      *graph.Graph
	values map[string]*graph.Value
	outer  *decoder // around the body of a control-flow operator
	opset  int64
	ext    *file.External

	functions map[callee]*pb.FunctionProto // of the file
	made      *int                         // functions written out and nodes upgraded so far
	inside    *inside                      // of one of them; nil outside
}

func (d *decoder) look(name string) *graph.Value {
	for ; d != nil; d = d.outer {
		if v := d.values[name]; v != nil {
			return v
		}
	}
	return nil
}

// typedNode adds a node whose types must infer.
func (d *decoder) typedNode(n *pb.NodeProto) error {
	if n.OpType == "Constant" && n.Domain == "" && len(n.Output) == 1 {
		t, err := d.constant(n)
		if err != nil {
			return fmt.Errorf("node %.80q: %w", n.Name, err)
		}
		d.values[n.Output[0]] = d.g.Const(n.Output[0], t)
		return nil
	}
	entry, err := graph.Lookup(n.Domain, n.OpType)
	if err != nil {
		return fmt.Errorf("node %.80q: %w", n.Name, err)
	}
	in := make([]*graph.Value, len(n.Input))
	for i, name := range n.Input {
		if name == "" {
			continue
		}
		if in[i] = d.look(name); in[i] == nil {
			return fmt.Errorf("node %.80q: %.80q is not defined before it", n.Name, name)
		}
	}
	attrs, err := d.attributes(n)
	if err != nil {
		return fmt.Errorf("node %.80q: %w", n.Name, err)
	}
	for _, v := range attrs {
		if _, ok := v.(*graph.Graph); ok {
			return fmt.Errorf("node %.80q: control flow is not allowed", n.Name)
		}
	}
	leave := d.g.Scope(n.Name)
	out := d.g.Apply(entry, attrs, len(n.Output), in...)
	leave()
	if err := d.g.Err(); err != nil {
		return fmt.Errorf("node %s", printable(err.Error()))
	}
	for i, name := range n.Output {
		if name != "" {
			d.values[name] = out[i]
		}
	}
	return nil
}

func (d *decoder) constant(n *pb.NodeProto) (*graph.Tensor, error) {
	for _, a := range n.Attribute {
		switch a.Name {
		case "value":
			return d.tensor(a.T)
		case "value_float":
			return graph.Floats(nil, a.F), nil
		case "value_floats":
			return graph.Floats([]int{len(a.Floats)}, a.Floats...), nil
		case "value_int":
			return graph.Ints(nil, a.I), nil
		case "value_ints":
			return graph.Ints([]int{len(a.Ints)}, a.Ints...), nil
		}
	}
	return nil, &Unsupported{"a Constant without numbers"}
}

func (d *decoder) tensor(t *pb.TensorProto) (*graph.Tensor, error) {
	if t == nil {
		return nil, fmt.Errorf("a tensor is missing")
	}
	dtype, dims, raw, err := file.TensorData(t, d.ext)
	if err != nil {
		return nil, err
	}
	out := &graph.Tensor{DType: graph.DType(dtype), Data: raw}
	for _, n := range dims {
		if n > math.MaxInt32*1024 {
			return nil, fmt.Errorf("extent %d is too large", n)
		}
		out.Shape = append(out.Shape, int(n))
	}
	if out.DType.Size() == 0 {
		return nil, &Unsupported{fmt.Sprintf("element type %v", dtype)}
	}
	return out, nil
}

func (d *decoder) attributes(n *pb.NodeProto) (graph.Attrs, error) {
	attrs := graph.Attrs{}
	for _, a := range n.Attribute {
		a, ok := d.resolve(a)
		if !ok {
			continue
		}
		if a.RefAttrName != "" {
			return nil, &Unsupported{"a reference to a function's attribute"}
		}
		switch a.Type {
		case pb.AttributeProto_INT:
			attrs[a.Name] = a.I
		case pb.AttributeProto_FLOAT:
			attrs[a.Name] = a.F
		case pb.AttributeProto_STRING:
			attrs[a.Name] = string(a.S)
		case pb.AttributeProto_INTS:
			attrs[a.Name] = append([]int64{}, a.Ints...)
		case pb.AttributeProto_FLOATS:
			attrs[a.Name] = append([]float32{}, a.Floats...)
		case pb.AttributeProto_STRINGS:
			s := []string{}
			for _, b := range a.Strings {
				s = append(s, string(b))
			}
			attrs[a.Name] = s
		case pb.AttributeProto_TENSOR:
			t, err := d.tensor(a.T)
			if err != nil {
				return nil, fmt.Errorf("attribute %q: %w", a.Name, err)
			}
			attrs[a.Name] = t
		case pb.AttributeProto_GRAPH:
			body, err := d.body(a.G)
			if err != nil {
				return nil, fmt.Errorf("attribute %q: %w", a.Name, err)
			}
			attrs[a.Name] = body
		default:
			return nil, &Unsupported{fmt.Sprintf("attribute %q of kind %v", a.Name, a.Type)}
		}
	}
	return attrs, nil
}

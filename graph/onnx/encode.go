package onnx

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/onnx/pb"
)

// Versions that files are written for.
const (
	Opset     = 18 // of the standard domain
	IRVersion = 8
	zooOpset  = 1 // of the project's own domain and ONNX Runtime's
)

// ModelOptions say how a model is written.
type ModelOptions struct {
	Opset    int64             // 0 for Opset
	Metadata map[string]string // properties of the model
	Doc      string
	// Weight is the data of a parameter, float32 little-endian; nil leaves tensors empty for
	// file.WriteOptions.Payloads.
	Weight func(name string) []byte
	// Functions are model-local functions that nodes of the graph's zoo operators call.
	Functions []*pb.FunctionProto
	// Call answers, for a node of the zoo domain, the function that it calls and how many of
	// its outputs that has.
	Call func(n *graph.Node) (name string, outputs int)
	// DimName spells a dimension that is no bare symbol; nil writes its canonical form.
	DimName func(d graph.Dim) string
}

// Model is the message of a graph: parameters and constants become initializers. Equal
// arguments give equal messages.
func Model(g *graph.Graph, o ModelOptions) (*pb.ModelProto, error) {
	if o.Opset == 0 {
		o.Opset = Opset
	}
	e := &encoder{opt: o}
	body, err := e.graph(g)
	if err != nil {
		return nil, err
	}
	m := &pb.ModelProto{
		IrVersion: irFor(o.Opset), ProducerName: "moezoo", Graph: body, DocString: o.Doc, Functions: o.Functions,
		OpsetImport: []*pb.OperatorSetIdProto{{Domain: "", Version: o.Opset}},
	}
	for _, domain := range []string{graph.Domain, graph.Contrib} {
		if slices.ContainsFunc(o.Functions, func(f *pb.FunctionProto) bool { return f.Domain == domain }) {
			m.OpsetImport = append(m.OpsetImport, &pb.OperatorSetIdProto{Domain: domain, Version: zooOpset})
		}
	}
	for _, k := range sortedKeys(o.Metadata) {
		m.MetadataProps = append(m.MetadataProps, &pb.StringStringEntryProto{Key: k, Value: o.Metadata[k]})
	}
	return m, nil
}

// irFor is the version of the format that came with an opset.
func irFor(opset int64) int64 {
	switch {
	case opset <= 18:
		return IRVersion
	case opset <= 20:
		return 9
	case opset <= 22:
		return 10
	case opset == 23:
		return 11
	case opset == 24:
		return 12
	}
	return 13
}

func sortedKeys[V any](m map[string]V) []string {
	a := graph.Attrs{}
	for k := range m {
		a[k] = nil
	}
	return a.Names()
}

type encoder struct {
	opt    ModelOptions
	consts map[*graph.Value]bool // initializers of the main graph, in the order of use
	order  []*graph.Value
}

func (e *encoder) graph(g *graph.Graph) (*pb.GraphProto, error) {
	out := &pb.GraphProto{Name: g.Name}
	top := e.consts == nil
	if top {
		e.consts = map[*graph.Value]bool{}
	}
	for _, v := range g.Inputs {
		out.Input = append(out.Input, e.valueInfo(v))
	}
	for _, n := range g.Nodes {
		node, err := e.node(n)
		if err != nil {
			return nil, err
		}
		out.Node = append(out.Node, node)
	}
	for _, v := range g.Outputs {
		if v.Data() != nil || v.Param() != nil {
			return nil, fmt.Errorf("output %v is no result of a node", v)
		}
		out.Output = append(out.Output, e.valueInfo(v))
	}
	if !top {
		return out, nil
	}
	for _, p := range g.Params {
		shape, _ := p.Value.Shape().Ints()
		t := &pb.TensorProto{Name: p.Value.Name, DataType: int32(p.Value.Type.DType), Dims: dims64(shape)}
		if e.opt.Weight != nil {
			if t.RawData = e.opt.Weight(p.Value.Name); t.RawData == nil {
				return nil, fmt.Errorf("parameter %s has no data", p.Value.Name)
			}
		}
		out.Initializer = append(out.Initializer, t)
	}
	for _, v := range e.order {
		out.Initializer = append(out.Initializer, tensorProto(v.Name, v.Data()))
	}
	return out, nil
}

func dims64(shape []int) []int64 {
	out := make([]int64, len(shape))
	for i, d := range shape {
		out[i] = int64(d)
	}
	return out
}

func tensorProto(name string, t *graph.Tensor) *pb.TensorProto {
	data := t.Data
	if data == nil {
		data = []byte{}
	}
	return &pb.TensorProto{Name: name, DataType: int32(t.DType), Dims: dims64(t.Shape), RawData: data}
}

func (e *encoder) valueInfo(v *graph.Value) *pb.ValueInfoProto {
	shape := &pb.TensorShapeProto{}
	for _, d := range v.Shape() {
		shape.Dim = append(shape.Dim, e.dim(d))
	}
	return &pb.ValueInfoProto{Name: v.Name, Type: &pb.TypeProto{Value: &pb.TypeProto_TensorType{
		TensorType: &pb.TypeProto_Tensor{ElemType: int32(v.Type.DType), Shape: shape},
	}}}
}

func (e *encoder) dim(d graph.Dim) *pb.TensorShapeProto_Dimension {
	if n, ok := d.Int(); ok {
		return &pb.TensorShapeProto_Dimension{Value: &pb.TensorShapeProto_Dimension_DimValue{DimValue: n}}
	}
	name := d.String()
	if _, bare := d.IsSymbol(); !bare && e.opt.DimName != nil {
		name = e.opt.DimName(d)
	}
	return &pb.TensorShapeProto_Dimension{Value: &pb.TensorShapeProto_Dimension_DimParam{DimParam: name}}
}

func (e *encoder) node(n *graph.Node) (*pb.NodeProto, error) {
	out := &pb.NodeProto{Name: n.Name, Domain: n.Domain, OpType: n.Op}
	outputs := n.Outputs
	if n.Domain == graph.Domain && e.opt.Call != nil {
		name, count := e.opt.Call(n)
		out.OpType, outputs = name, outputs[:count]
		defer func() { out.Attribute = nil }() // the function has them built in
	}
	for _, v := range n.Inputs {
		if v == nil {
			out.Input = append(out.Input, "")
			continue
		}
		if v.Data() != nil && !e.consts[v] {
			e.consts[v] = true
			e.order = append(e.order, v)
		}
		out.Input = append(out.Input, v.Name)
	}
	for len(out.Input) > 0 && out.Input[len(out.Input)-1] == "" {
		out.Input = out.Input[:len(out.Input)-1]
	}
	for _, v := range outputs {
		out.Output = append(out.Output, v.Name)
	}
	for _, name := range n.Attrs.Names() {
		a, err := e.attribute(name, n.Attrs[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Name, err)
		}
		out.Attribute = append(out.Attribute, a)
	}
	return out, nil
}

func (e *encoder) attribute(name string, v any) (*pb.AttributeProto, error) {
	a := &pb.AttributeProto{Name: name}
	switch v := v.(type) {
	case int64:
		a.Type, a.I = pb.AttributeProto_INT, v
	case float32:
		a.Type, a.F = pb.AttributeProto_FLOAT, v
	case string:
		a.Type, a.S = pb.AttributeProto_STRING, []byte(v)
	case []int64:
		a.Type, a.Ints = pb.AttributeProto_INTS, v
	case []float32:
		a.Type, a.Floats = pb.AttributeProto_FLOATS, v
	case []string:
		a.Type = pb.AttributeProto_STRINGS
		for _, s := range v {
			a.Strings = append(a.Strings, []byte(s))
		}
	case *graph.Tensor:
		a.Type, a.T = pb.AttributeProto_TENSOR, tensorProto("", v)
	case *graph.Graph:
		body, err := e.graph(v)
		if err != nil {
			return nil, err
		}
		a.Type, a.G = pb.AttributeProto_GRAPH, body
	default:
		return nil, fmt.Errorf("attribute %s has the unknown type %T", name, v)
	}
	return a, nil
}

// EncodeFunction is the serialised FunctionProto of a graph whose every free value is an
// input or a constant; constants become Constant nodes. Equal graphs give equal bytes.
func EncodeFunction(g *graph.Graph, domain, name string) ([]byte, error) {
	f, err := FunctionProto(g, domain, name)
	if err != nil {
		return nil, err
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(f)
}

// FunctionProto is EncodeFunction before serialisation.
func FunctionProto(g *graph.Graph, domain, name string) (*pb.FunctionProto, error) {
	if err := g.Err(); err != nil {
		return nil, err
	}
	if len(g.Params) > 0 {
		return nil, fmt.Errorf("function %s: parameters must be inputs", name)
	}
	e := &encoder{consts: map[*graph.Value]bool{}}
	f := &pb.FunctionProto{Name: name, Domain: domain, OpsetImport: []*pb.OperatorSetIdProto{{Domain: "", Version: Opset}, {Domain: graph.Domain, Version: zooOpset}}}
	for _, v := range g.Inputs {
		f.Input = append(f.Input, v.Name)
	}
	for _, n := range g.Nodes {
		node, err := e.node(n)
		if err != nil {
			return nil, err
		}
		f.Node = append(f.Node, node)
	}
	constants := make([]*pb.NodeProto, len(e.order))
	for i, v := range e.order {
		constants[i] = &pb.NodeProto{OpType: "Constant", Name: v.Name, Output: []string{v.Name}, Attribute: []*pb.AttributeProto{
			{Name: "value", Type: pb.AttributeProto_TENSOR, T: tensorProto("", v.Data())},
		}}
	}
	f.Node = append(constants, f.Node...)
	for _, v := range g.Outputs {
		if v.Node() == nil {
			return nil, fmt.Errorf("function %s: output %v is no result of a node", name, v)
		}
		f.Output = append(f.Output, v.Name)
	}
	return f, nil
}

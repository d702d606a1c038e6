package onnx

import (
	"fmt"
	"slices"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/onnx/file"
	"github.com/moezoo/moezoo/graph/onnx/pb"
)

// File is a model read from a file.
type File struct {
	Graph    *graph.Graph
	Opset    int64
	Metadata map[string]string
}

// Read reads a model for the evaluator: initializers become constants, functions are
// written out, nodes of older opsets upgraded. Types that files leave open stay unknown. Operators that are not in the table, and versions of the
// standard operators that mean something else, are an Unsupported error.
func Read(path string) (*File, error) {
	m, ext, err := file.Read(path)
	if err != nil {
		return nil, err
	}
	out, err := FromProto(m, ext)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

// ReadBytes is Read for a model without external data that is already in memory.
func ReadBytes(data []byte) (*File, error) {
	m, err := file.ReadBytes(data)
	if err != nil {
		return nil, err
	}
	return FromProto(m, nil)
}

// Versions of the standard operators that are read: those of the table mean what they do at
// version 18, once Upgrade has seen them. Attributes that a later version brought are
// refused by name.
const (
	oldestOpset = 1
	newestOpset = 28
)

// FromProto is Read for a message.
func FromProto(m *pb.ModelProto, ext *file.External) (*File, error) {
	out := &File{Metadata: map[string]string{}}
	for _, p := range m.MetadataProps {
		out.Metadata[p.Key] = p.Value
	}
	for _, o := range m.OpsetImport {
		if o.Domain == "" || o.Domain == "ai.onnx" {
			out.Opset = o.Version
		}
	}
	if err := checkOpset(out.Opset); err != nil {
		return nil, err
	}
	g := graph.New(m.Graph.Name)
	d := &decoder{g: g, values: map[string]*graph.Value{}, opset: out.Opset, ext: ext, functions: functionsOf(m), made: new(int)}
	if err := d.graph(m.Graph); err != nil {
		return nil, err
	}
	out.Graph = g
	return out, nil
}

func checkOpset(version int64) error {
	if version < oldestOpset || version > newestOpset {
		return &Unsupported{fmt.Sprintf("opset %d of the standard operators (%d to %d are)", version, oldestOpset, newestOpset)}
	}
	return nil
}

// graph fills the decoder's graph.
func (d *decoder) graph(p *pb.GraphProto) error {
	for _, t := range p.Initializer {
		data, err := d.tensor(t)
		if err != nil {
			return fmt.Errorf("initializer %q: %w", t.Name, err)
		}
		v := d.g.Const("c", data)
		d.g.Rename(v, d.named(t.Name))
		d.values[t.Name] = v
	}
	for _, in := range p.Input {
		if d.values[in.Name] != nil {
			continue // an input with a default
		}
		t, err := inputType(d.g, in)
		if err != nil {
			return err
		}
		d.values[in.Name] = d.g.Input(d.named(in.Name), t.DType, t.Shape)
	}
	for _, n := range p.Node {
		if err := d.node(n); err != nil {
			return err
		}
	}
	for _, o := range p.Output {
		v := d.look(o.Name)
		if v == nil {
			return fmt.Errorf("output %q is not defined", o.Name)
		}
		d.g.Output(v)
	}
	return d.g.Err()
}

func inputType(g *graph.Graph, in *pb.ValueInfoProto) (graph.Type, error) {
	tt := in.GetType().GetTensorType()
	if tt == nil {
		if in.Type == nil {
			return graph.Type{}, nil // the inputs of bodies may leave their types open
		}
		return graph.Type{}, &Unsupported{fmt.Sprintf("input %.80q, which is no tensor,", in.Name)}
	}
	t := graph.Type{DType: graph.DType(tt.ElemType)}
	if t.DType.Size() == 0 && tt.ElemType != 0 {
		return t, &Unsupported{fmt.Sprintf("input %.80q of element type %v", in.Name, t.DType)}
	}
	if tt.Shape == nil {
		return graph.Type{}, nil
	}
	for i, dim := range tt.Shape.Dim {
		switch v := dim.Value.(type) {
		case *pb.TensorShapeProto_Dimension_DimValue:
			if v.DimValue < 0 {
				return t, fmt.Errorf("input %.80q has the extent %d", in.Name, v.DimValue)
			}
			t.Shape = append(t.Shape, graph.Const(v.DimValue))
		case *pb.TensorShapeProto_Dimension_DimParam:
			t.Shape = append(t.Shape, graph.Symbol(v.DimParam))
		default:
			t.Shape = append(t.Shape, g.FreshSymbol(fmt.Sprintf("%s_dim%d", in.Name, i), graph.Const(1<<40)))
		}
	}
	return t, nil
}

// body is the graph of a control-flow attribute.
func (d *decoder) body(p *pb.GraphProto) (*graph.Graph, error) {
	b := &decoder{g: d.g.NewBody(p.Name), values: map[string]*graph.Value{}, outer: d, opset: d.opset, ext: d.ext, functions: d.functions, made: d.made, inside: d.inside}
	return b.g, b.graph(p)
}

// node adds a node as the file has it.
func (d *decoder) node(n *pb.NodeProto) error {
	domain := n.Domain
	if domain == "ai.onnx" {
		domain = ""
	}
	if f := d.functions[calleeOf(n)]; f != nil && domain != "" {
		return d.call(n, f)
	}
	if _, err := graph.Lookup(domain, n.OpType); err != nil {
		return &Unsupported{fmt.Sprintf("node %.80q: operator %s", n.Name, qualified(domain, n.OpType))}
	}
	in := make([]*graph.Value, len(n.Input))
	for i, name := range n.Input {
		if name == "" || d.isAbsent(name) {
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
	node := &graph.Node{Name: n.Name, Domain: domain, Op: n.OpType, Inputs: in, Attrs: attrs}
	if domain == "" {
		*d.made++
		leave := d.g.Scope(fmt.Sprintf("upgraded.%d", *d.made))
		err := Upgrade(d.g, node, d.opset)
		leave()
		if err != nil {
			return err
		}
		if err := d.checkAttributes(node); err != nil {
			return err
		}
	}
	if err := d.g.Append(node, d.names(n.Output)); err != nil {
		return err
	}
	for i, name := range n.Output {
		if name != "" {
			d.values[name] = node.Outputs[i]
		}
	}
	return nil
}

// checkAttributes refuses attributes that the operator does not have in the table: those of
// a version newer than ours, or much older.
func (d *decoder) checkAttributes(n *graph.Node) error {
	entry, err := graph.Lookup(n.Domain, n.Op)
	if err != nil {
		return err
	}
	for _, name := range n.Attrs.Names() {
		if !slices.ContainsFunc(entry.Attrs, func(a graph.Attr) bool { return a.Name == name }) {
			return &Unsupported{fmt.Sprintf("node %.80q: attribute %.80q of operator %s at opset %d", n.Name, name, n.Op, d.opset)}
		}
	}
	return nil
}

package onnx

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/onnx/pb"
)

// callee names a function of a file.
type callee struct{ domain, name, overload string }

func calleeOf(n *pb.NodeProto) callee { return callee{n.GetDomain(), n.GetOpType(), n.GetOverload()} }

// functionsOf are a file's functions by what calls them. Validation has refused rings and
// files that grow too large when they are written out.
func functionsOf(m *pb.ModelProto) map[callee]*pb.FunctionProto {
	out := map[callee]*pb.FunctionProto{}
	for _, f := range m.GetFunctions() {
		out[callee{f.GetDomain(), f.GetName(), f.GetOverload()}] = f
	}
	return out
}

// inside is what the nodes of a function see of the node that calls it.
type inside struct {
	prefix string // of the names of its values
	absent map[string]bool
	attrs  map[string]*pb.AttributeProto
}

// call writes a function out: its nodes take the place of the node that calls it.
func (d *decoder) call(n *pb.NodeProto, f *pb.FunctionProto) error {
	opset := d.opset
	for _, o := range f.OpsetImport {
		if o.Domain == "" || o.Domain == "ai.onnx" {
			opset = o.Version
		}
	}
	if err := checkOpset(opset); err != nil {
		return err
	}
	prefix := n.Name
	if prefix == "" {
		prefix = f.Name
	}
	attrs, err := d.arguments(n, f)
	if err != nil {
		return err
	}
	*d.made++
	in := &inside{fmt.Sprintf("%s.%d", prefix, *d.made), map[string]bool{}, attrs}
	body := &decoder{g: d.g, values: map[string]*graph.Value{}, opset: opset, ext: d.ext, functions: d.functions, made: d.made, inside: in}
	for i, name := range f.Input {
		if i >= len(n.Input) || n.Input[i] == "" || d.isAbsent(n.Input[i]) {
			in.absent[name] = true
			continue
		}
		if body.values[name] = d.look(n.Input[i]); body.values[name] == nil {
			return fmt.Errorf("node %.80q: %.80q is not defined before it", n.Name, n.Input[i])
		}
	}
	for _, m := range f.Node {
		if err := body.node(m); err != nil {
			return err
		}
	}
	return d.results(n, f, body)
}

// results gives the function's outputs the names that the calling node has for them.
func (d *decoder) results(n *pb.NodeProto, f *pb.FunctionProto, body *decoder) error {
	for i, name := range n.Output {
		if name == "" {
			continue
		}
		if i >= len(f.Output) {
			return fmt.Errorf("node %.80q: function %s has %d outputs, not %d", n.Name, qualified(f.Domain, f.Name), len(f.Output), len(n.Output))
		}
		v := body.look(f.Output[i])
		if v == nil {
			return &Unsupported{fmt.Sprintf("node %.80q: output %.80q of function %s, which hands on an absent input,", n.Name, f.Output[i], qualified(f.Domain, f.Name))}
		}
		// A copy: the function may hand on an input, or one value twice.
		same := &graph.Node{Name: n.Name, Op: "Identity", Inputs: []*graph.Value{v}, Attrs: graph.Attrs{}}
		if err := d.g.Append(same, []string{d.named(name)}); err != nil {
			return err
		}
		d.values[name] = same.Outputs[0]
	}
	return nil
}

// arguments are a function's attributes: those of the calling node, else the defaults.
func (d *decoder) arguments(n *pb.NodeProto, f *pb.FunctionProto) (map[string]*pb.AttributeProto, error) {
	out := map[string]*pb.AttributeProto{}
	for _, a := range f.AttributeProto {
		out[a.Name] = a
	}
	for _, a := range n.Attribute {
		a, ok := d.resolve(a)
		if !ok {
			continue
		}
		if a.G != nil || len(a.Graphs) > 0 {
			return nil, &Unsupported{fmt.Sprintf("node %.80q: a graph as attribute of a function", n.Name)}
		}
		out[a.Name] = a
	}
	return out, nil
}

// resolve replaces a reference to an attribute of the function around by that attribute;
// ok is false for one that was not given.
func (d *decoder) resolve(a *pb.AttributeProto) (out *pb.AttributeProto, ok bool) {
	if a.RefAttrName == "" || d.inside == nil {
		return a, true
	}
	given := d.inside.attrs[a.RefAttrName]
	if given == nil {
		return nil, false
	}
	out = proto.CloneOf(given)
	out.Name = a.Name
	return out, true
}

// isAbsent tells the inputs of a function that the calling node left out.
func (d *decoder) isAbsent(name string) bool { return d.inside != nil && d.inside.absent[name] }

// named is the name that a value of the file gets in the graph: inside of functions, one
// that nothing else has.
func (d *decoder) named(name string) string {
	if d.inside == nil || name == "" {
		return name
	}
	return d.g.Fresh(d.inside.prefix + "/" + name)
}

// names is named for each.
func (d *decoder) names(of []string) []string {
	out := make([]string, len(of))
	for i, name := range of {
		out[i] = d.named(name)
	}
	return out
}

package file

import (
	"slices"

	"github.com/moezoo/moezoo/graph/onnx/pb"
)

// attributes checks the attributes of one node, subgraphs included. s holds the
// values a subgraph may use.
func (v *validator) attributes(p *place, list []*pb.AttributeProto, s *scope, depth int) error {
	var taken map[string]struct{}
	if len(list) > 1 {
		taken = make(map[string]struct{}, len(list))
	}
	for i, a := range list {
		here := p.at("attribute", i, a.GetName())
		if _, twice := taken[a.GetName()]; twice {
			return here.fail("the attribute is given twice")
		}
		if taken != nil {
			taken[a.GetName()] = struct{}{}
		}
		if err := v.attribute(here, a, s, depth); err != nil {
			return err
		}
	}
	return nil
}

// filled names the content fields of a that hold something.
func filled(a *pb.AttributeProto) []string {
	var names []string
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"f", a.GetF() != 0},
		{"i", a.GetI() != 0},
		{"s", len(a.GetS()) > 0},
		{"t", a.GetT() != nil},
		{"g", a.GetG() != nil},
		{"sparse_tensor", a.GetSparseTensor() != nil},
		{"tp", a.GetTp() != nil},
		{"floats", len(a.GetFloats()) > 0},
		{"ints", len(a.GetInts()) > 0},
		{"strings", len(a.GetStrings()) > 0},
		{"tensors", len(a.GetTensors()) > 0},
		{"graphs", len(a.GetGraphs()) > 0},
		{"sparse_tensors", len(a.GetSparseTensors()) > 0},
		{"type_protos", len(a.GetTypeProtos()) > 0},
	} {
		if f.set {
			names = append(names, f.name)
		}
	}
	return names
}

// contentField is where an attribute of each type keeps its content, and whether
// it must be there: the others have a meaning when empty.
var contentField = map[pb.AttributeProto_AttributeType]struct {
	name string
	must bool
}{
	pb.AttributeProto_FLOAT: {"f", false}, pb.AttributeProto_INT: {"i", false}, pb.AttributeProto_STRING: {"s", false},
	pb.AttributeProto_TENSOR: {"t", true}, pb.AttributeProto_GRAPH: {"g", true},
	pb.AttributeProto_SPARSE_TENSOR: {"sparse_tensor", true}, pb.AttributeProto_TYPE_PROTO: {"tp", true},
	pb.AttributeProto_FLOATS: {"floats", false}, pb.AttributeProto_INTS: {"ints", false}, pb.AttributeProto_STRINGS: {"strings", false},
	pb.AttributeProto_TENSORS: {"tensors", false}, pb.AttributeProto_GRAPHS: {"graphs", false},
	pb.AttributeProto_SPARSE_TENSORS: {"sparse_tensors", false}, pb.AttributeProto_TYPE_PROTOS: {"type_protos", false},
}

func (v *validator) attribute(p *place, a *pb.AttributeProto, s *scope, depth int) error {
	if a.GetName() == "" {
		return p.fail("has no name")
	}
	want, known := contentField[a.GetType()]
	if !known {
		return p.fail("type %v is not an attribute type", a.GetType())
	}
	have := filled(a)
	if ref := a.GetRefAttrName(); ref != "" {
		return v.reference(p, ref, have)
	}
	if len(have) > 1 || len(have) == 1 && have[0] != want.name {
		return p.fail("is of type %v, yet %v is given", a.GetType(), have)
	}
	if want.must && len(have) == 0 {
		return p.fail("is of type %v, but %s is missing", a.GetType(), want.name)
	}
	return v.content(p, a, s, depth)
}

// reference checks an attribute that takes its content from the caller of the
// function it stands in.
func (v *validator) reference(p *place, ref string, have []string) error {
	switch {
	case v.function == nil:
		return p.fail("refers to attribute %s of a function, outside of any", short(ref))
	case len(have) > 0:
		return p.fail("refers to attribute %s and has content of its own", short(ref))
	case slices.Contains(v.function.GetAttribute(), ref):
		return nil
	}
	for _, d := range v.function.GetAttributeProto() {
		if d.GetName() == ref {
			return nil
		}
	}
	return p.fail("refers to %s, which is no attribute of function %s", short(ref), short(v.function.GetName()))
}

// content checks tensors, types and graphs held by an attribute.
func (v *validator) content(p *place, a *pb.AttributeProto, s *scope, depth int) error {
	if a.T != nil {
		if err := v.tensor(p.to("t"), a.T); err != nil {
			return err
		}
	}
	for i, t := range a.GetTensors() {
		if err := v.tensor(p.at("tensors", i, ""), t); err != nil {
			return err
		}
	}
	if a.SparseTensor != nil {
		if err := v.sparse(p.to("sparse_tensor"), a.SparseTensor); err != nil {
			return err
		}
	}
	for i, t := range a.GetSparseTensors() {
		if err := v.sparse(p.at("sparse_tensors", i, ""), t); err != nil {
			return err
		}
	}
	if a.Tp != nil {
		if err := v.typ(p.to("tp"), a.Tp); err != nil {
			return err
		}
	}
	if a.G != nil {
		if err := v.graph(p.to("g"), a.G, s, depth+1); err != nil {
			return err
		}
	}
	for i, g := range a.GetGraphs() {
		if err := v.graph(p.at("graphs", i, ""), g, s, depth+1); err != nil {
			return err
		}
	}
	return nil
}

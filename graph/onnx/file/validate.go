package file

import (
	"errors"

	"github.com/moezoo/moezoo/graph/onnx/pb"
)

// Validate holds the structure of m against the rules of the format, without
// knowing what any operator means: versions and imports are stated, every value
// is defined once and before it is used, subgraphs see the values around them,
// attributes hold what their type says, functions do not call themselves, and
// each tensor's elements agree with its dims. References to external data are
// judged by their text alone; Read also looks at the files.
func Validate(m *pb.ModelProto) error {
	return validate(m, func(t *pb.TensorProto) error {
		_, e := parseEntry(t)
		if e != nil {
			return e
		}
		return nil
	})
}

// validator carries what is the same for a whole model.
type validator struct {
	external  func(*pb.TensorProto) error // judges a tensor stored elsewhere
	nodes     int                         // seen so far
	maxNodes  int                         // 0: no limit of its own
	imports   map[string]bool             // domains that nodes may use here
	function  *pb.FunctionProto           // the one being looked at, nil in the graph
	functions map[callee]*pb.FunctionProto
}

func validate(m *pb.ModelProto, external func(*pb.TensorProto) error) error {
	v := &validator{external: external}
	switch {
	case m.GetIrVersion() < 1:
		return bad("ir_version", "is %d or missing; not an ONNX model?", m.GetIrVersion())
	case m.GetIrVersion() > int64(pb.Version_IR_VERSION):
		return bad("ir_version", "is %d; versions up to %d are known", m.GetIrVersion(), pb.Version_IR_VERSION)
	case m.GetGraph() == nil:
		return bad("graph", "the model has no graph")
	case len(m.GetTrainingInfo()) > 0:
		return bad("training_info", "models with training graphs are not supported; export the model for inference")
	}
	imports, err := v.opsets(nil, m.GetOpsetImport())
	if err != nil {
		return err
	}
	if err := v.allFunctions(m.GetFunctions()); err != nil {
		return err
	}
	v.imports, v.function = imports, nil
	top := &place{field: "graph", index: -1}
	for i, in := range m.GetGraph().GetInput() {
		if in.GetType().GetValue() == nil {
			return top.at("input", i, in.GetName()).fail("has no type")
		}
	}
	if err := v.graph(top, m.GetGraph(), nil, 0); err != nil {
		return err
	}
	return v.expansion(m)
}

// opsets gives the set of domains that a list of imports allows.
func (v *validator) opsets(p *place, list []*pb.OperatorSetIdProto) (map[string]bool, error) {
	domains := map[string]bool{}
	for i, o := range list {
		d := domain(o.GetDomain())
		here := p.at("opset_import", i, d)
		if domains[d] {
			return nil, here.fail("domain is imported twice")
		}
		if o.GetVersion() < 1 {
			return nil, here.fail("version is %d; expected 1 or more", o.GetVersion())
		}
		domains[d] = true
	}
	if len(domains) == 0 {
		return nil, p.to("opset_import").fail("no operator set is imported")
	}
	return domains, nil
}

// domain writes the default operator set in one way.
func domain(s string) string {
	if s == "" {
		return "ai.onnx"
	}
	return s
}

// scope is the set of value names visible at one level of nesting.
type scope struct {
	outer *scope
	names map[string]struct{}
}

func (s *scope) here(name string) bool {
	_, ok := s.names[name]
	return ok
}

func (s *scope) visible(name string) bool {
	for ; s != nil; s = s.outer {
		if s.here(name) {
			return true
		}
	}
	return false
}

func (s *scope) add(name string) { s.names[name] = struct{}{} }

func (v *validator) graph(p *place, g *pb.GraphProto, outer *scope, depth int) error {
	if depth > maxGraphDepth {
		return p.fail("subgraphs are nested more than %d deep", maxGraphDepth)
	}
	s := &scope{outer: outer, names: make(map[string]struct{}, len(g.GetInput())+len(g.GetInitializer())+len(g.GetNode()))}
	for i, in := range g.GetInput() {
		if err := v.define(p, "input", i, in.GetName(), s); err != nil {
			return err
		}
		if err := v.valueInfo(p.at("input", i, in.GetName()), in); err != nil {
			return err
		}
	}
	if err := v.initializers(p, g, s); err != nil {
		return err
	}
	if err := v.body(p, g.GetNode(), s, depth); err != nil {
		return err
	}
	for i, out := range g.GetOutput() {
		here := p.at("output", i, out.GetName())
		if !s.visible(out.GetName()) {
			return here.fail("is no value of the graph")
		}
		if err := v.valueInfo(here, out); err != nil {
			return err
		}
	}
	for i, info := range g.GetValueInfo() {
		if err := v.valueInfo(p.at("value_info", i, info.GetName()), info); err != nil {
			return err
		}
	}
	return nil
}

// define adds a name to s, refusing an empty or taken one.
func (v *validator) define(p *place, field string, i int, name string, s *scope) error {
	if name == "" {
		return p.at(field, i, "").fail("has no name")
	}
	if s.here(name) {
		return p.at(field, i, "").fail("value %s is defined twice", short(name))
	}
	s.add(name)
	return nil
}

// initializers defines the stored values. One may carry the name of an input: it
// is then that input's default.
func (v *validator) initializers(p *place, g *pb.GraphProto, s *scope) error {
	taken := &scope{names: make(map[string]struct{}, len(g.GetInitializer()))}
	for i, t := range g.GetInitializer() {
		if err := v.define(p, "initializer", i, t.GetName(), taken); err != nil {
			return err
		}
		if err := v.tensor(p.at("initializer", i, t.GetName()), t); err != nil {
			return err
		}
	}
	for i, t := range g.GetSparseInitializer() {
		if err := v.define(p, "sparse_initializer", i, t.GetValues().GetName(), taken); err != nil {
			return err
		}
		if err := v.sparse(p.at("sparse_initializer", i, ""), t); err != nil {
			return err
		}
	}
	for name := range taken.names {
		s.add(name)
	}
	return nil
}

// body checks the nodes of a graph or function in order.
func (v *validator) body(p *place, nodes []*pb.NodeProto, s *scope, depth int) error {
	v.nodes += len(nodes)
	if v.maxNodes > 0 && v.nodes > v.maxNodes {
		return p.to("node").fail("more than %d nodes", v.maxNodes)
	}
	for i, n := range nodes {
		here := p.at("node", i, label(n))
		if n.GetOpType() == "" {
			return here.fail("has no op_type")
		}
		if !v.imports[domain(n.GetDomain())] {
			return here.fail("operator %s is of domain %s, which is not in opset_import", short(n.GetOpType()), short(domain(n.GetDomain())))
		}
		for j, name := range n.GetInput() {
			if name != "" && !s.visible(name) {
				return undefined(p, here.at("input", j, ""), nodes, i, name)
			}
		}
		if err := v.attributes(here, n.GetAttribute(), s, depth); err != nil {
			return err
		}
		for j, name := range n.GetOutput() {
			if name == "" {
				continue // an optional output that is not wanted
			}
			if s.visible(name) {
				return here.at("output", j, "").fail("value %s is defined twice", short(name))
			}
			s.add(name)
		}
	}
	return nil
}

func (v *validator) valueInfo(p *place, i *pb.ValueInfoProto) error {
	if i.GetType() == nil {
		return nil
	}
	return v.typ(p.to("type"), i.GetType())
}

func (v *validator) typ(p *place, t *pb.TypeProto) error {
	switch {
	case t.GetTensorType() != nil:
		return v.shape(p, t.GetTensorType().GetElemType(), t.GetTensorType().GetShape())
	case t.GetSparseTensorType() != nil:
		return v.shape(p, t.GetSparseTensorType().GetElemType(), t.GetSparseTensorType().GetShape())
	case t.GetSequenceType().GetElemType() != nil:
		return v.typ(p.to("sequence_type"), t.GetSequenceType().GetElemType())
	case t.GetOptionalType().GetElemType() != nil:
		return v.typ(p.to("optional_type"), t.GetOptionalType().GetElemType())
	case t.GetMapType().GetValueType() != nil:
		return v.typ(p.to("map_type"), t.GetMapType().GetValueType())
	}
	return nil
}

// shape checks a declared element type and shape; both may be left open.
func (v *validator) shape(p *place, elem int32, s *pb.TensorShapeProto) error {
	if _, known := pb.TensorProto_DataType_name[elem]; !known {
		return p.to("elem_type").fail("%d is not an element type", elem)
	}
	dims := make([]int64, 0, len(s.GetDim()))
	for _, d := range s.GetDim() {
		if _, fixed := d.GetValue().(*pb.TensorShapeProto_Dimension_DimValue); fixed {
			dims = append(dims, d.GetDimValue())
		}
	}
	if _, e := elements(dims); e != nil {
		return p.fail("%s", e.Problem)
	}
	return nil
}

// tensor checks a stored tensor, wherever it stands.
func (v *validator) tensor(p *place, t *pb.TensorProto) error {
	var err error
	if e := checkTensor(t); e != nil {
		err = e
	} else if t.GetDataLocation() == pb.TensorProto_EXTERNAL {
		err = v.external(t)
	}
	var e *Error
	if errors.As(err, &e) {
		e.Field = p.String() + "." + e.Field
	}
	return err
}

func (v *validator) sparse(p *place, t *pb.SparseTensorProto) error {
	if t.GetValues() == nil || t.GetIndices() == nil {
		return p.fail("a sparse tensor needs values and indices")
	}
	if _, e := elements(t.GetDims()); e != nil {
		return p.to("dims").fail("%s", e.Problem)
	}
	if err := v.tensor(p.to("values"), t.GetValues()); err != nil {
		return err
	}
	return v.tensor(p.to("indices"), t.GetIndices())
}

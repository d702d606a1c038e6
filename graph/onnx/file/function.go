package file

import (
	"strings"

	"github.com/moezoo/moezoo/graph/onnx/pb"
)

// ParseFunction reads one function from bytes that were made elsewhere, under the
// same budget as Read: at most 64 MiB and 100,000 nodes with those of subgraphs.
// It must name itself and its inputs and outputs, import the operator sets it
// uses, define every value once and before its use, not call itself, and keep its
// tensors inside. Faults are *Error.
func ParseFunction(data []byte) (*pb.FunctionProto, error) {
	if len(data) == 0 {
		return nil, bad("", "no bytes; expected an ONNX function")
	}
	if len(data) > functionBytes {
		return nil, bad("", "%d bytes, above the limit of %d for a function", len(data), functionBytes)
	}
	f := &pb.FunctionProto{}
	if err := decode(data, f, Limits{}.filled()); err != nil {
		return nil, err
	}
	if err := ValidateFunction(f); err != nil {
		return nil, err
	}
	return f, nil
}

// ValidateFunction holds a function that stands alone against the rules that
// ParseFunction states.
func ValidateFunction(f *pb.FunctionProto) error {
	var none *External
	v := &validator{external: none.check, maxNodes: functionNodes}
	return v.oneFunction(&place{field: "function", index: -1, name: f.GetName()}, f)
}

// callee is what a node names when it calls a function.
type callee struct{ domain, name, overload string }

func (c callee) String() string { return short(c.domain + "." + c.name) }

func calleeOf(f *pb.FunctionProto) callee {
	return callee{domain(f.GetDomain()), f.GetName(), f.GetOverload()}
}

func (v *validator) allFunctions(list []*pb.FunctionProto) error {
	v.functions = make(map[callee]*pb.FunctionProto, len(list))
	for i, f := range list {
		here := (*place)(nil).at("functions", i, f.GetName())
		if v.functions[calleeOf(f)] != nil {
			return here.fail("the function is defined twice in domain %s", short(f.GetDomain()))
		}
		v.functions[calleeOf(f)] = f
	}
	for i, f := range list {
		if err := v.oneFunction((*place)(nil).at("functions", i, f.GetName()), f); err != nil {
			return err
		}
	}
	return nil
}

func (v *validator) oneFunction(p *place, f *pb.FunctionProto) error {
	if f.GetName() == "" {
		return p.fail("has no name")
	}
	imports, err := v.opsets(p, f.GetOpsetImport())
	if err != nil {
		return err
	}
	v.imports, v.function = imports, f
	defer func() { v.function = nil }()
	s := &scope{names: make(map[string]struct{}, len(f.GetInput())+len(f.GetNode()))}
	for i, name := range f.GetInput() {
		if err := v.define(p, "input", i, name, s); err != nil {
			return err
		}
	}
	if err := v.parameters(p, f); err != nil {
		return err
	}
	if err := callsItself(p, f); err != nil {
		return err
	}
	if err := v.body(p, f.GetNode(), s, 0); err != nil {
		return err
	}
	for i, name := range f.GetOutput() {
		if !s.here(name) {
			return p.at("output", i, "").fail("%s is no value of the function", short(name))
		}
	}
	for i, info := range f.GetValueInfo() {
		if err := v.valueInfo(p.at("value_info", i, info.GetName()), info); err != nil {
			return err
		}
	}
	return nil
}

// parameters checks the attributes that a function takes.
func (v *validator) parameters(p *place, f *pb.FunctionProto) error {
	names := &scope{names: map[string]struct{}{}}
	for i, name := range f.GetAttribute() {
		if err := v.define(p, "attribute", i, name, names); err != nil {
			return err
		}
	}
	for i, a := range f.GetAttributeProto() {
		if err := v.define(p, "attribute_proto", i, a.GetName(), names); err != nil {
			return err
		}
		here := p.at("attribute_proto", i, a.GetName())
		if a.GetRefAttrName() != "" {
			return here.fail("a default refers to another attribute")
		}
		if err := v.attribute(here, a, nil, 0); err != nil {
			return err
		}
	}
	return nil
}

func callsItself(p *place, f *pb.FunctionProto) error {
	self := calleeOf(f)
	var fault error
	calls(f.GetNode(), func(c callee) {
		if c == self && fault == nil {
			fault = p.fail("the function calls itself")
		}
	})
	return fault
}

// calls gives every operator that nodes use, those of subgraphs included.
func calls(nodes []*pb.NodeProto, use func(callee)) {
	for _, n := range nodes {
		use(callee{domain(n.GetDomain()), n.GetOpType(), n.GetOverload()})
		for _, a := range n.GetAttribute() {
			calls(a.GetG().GetNode(), use)
			for _, g := range a.GetGraphs() {
				calls(g.GetNode(), use)
			}
		}
	}
}

// expanded is a function with all it calls written out.
type expanded struct {
	nodes int64 // how many nodes that is, cut off at the limit
	depth int   // how deep the calls go
	open  bool  // being counted: meeting it again is a cycle
}

// expansion refuses functions that call each other in a ring, deeper than
// maxCallDepth, or so often that the model written out passes expandedNodes.
func (v *validator) expansion(m *pb.ModelProto) error {
	done := make(map[callee]*expanded, len(v.functions))
	for i, f := range m.GetFunctions() {
		if _, err := v.expand((*place)(nil).at("functions", i, f.GetName()), f.GetNode(), calleeOf(f), done, nil); err != nil {
			return err
		}
	}
	_, err := v.expand(&place{field: "graph", index: -1}, m.GetGraph().GetNode(), callee{}, done, nil)
	return err
}

// expand counts one body. chain is the way of calls that led here.
func (v *validator) expand(p *place, nodes []*pb.NodeProto, self callee, done map[callee]*expanded, chain []string) (*expanded, error) {
	if e := done[self]; e != nil {
		if e.open {
			return nil, p.fail("functions call each other in a ring: %s", strings.Join(append(chain, self.String()), " calls "))
		}
		return e, nil
	}
	if len(chain) > maxCallDepth {
		return nil, p.fail("functions call each other more than %d deep", maxCallDepth)
	}
	e := &expanded{open: true}
	done[self] = e
	chain = append(chain, self.String())
	var fault error
	calls(nodes, func(c callee) {
		if fault != nil {
			return
		}
		e.nodes++
		f := v.functions[c]
		if f == nil {
			return
		}
		var inner *expanded
		if inner, fault = v.expand(p, f.GetNode(), c, done, chain); fault == nil {
			e.nodes += inner.nodes
			e.depth = max(e.depth, inner.depth+1)
		}
		switch {
		case fault != nil:
		case e.depth > maxCallDepth:
			fault = p.fail("functions call each other more than %d deep", maxCallDepth)
		case e.nodes > expandedNodes:
			fault = p.fail("with its functions written out the model has more than %d nodes", expandedNodes)
		}
	})
	e.open = false
	return e, fault
}

package export

import (
	"crypto/sha256"
	"fmt"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/lower"
	"github.com/moezoo/moezoo/graph/onnx"
	"github.com/moezoo/moezoo/graph/onnx/pb"
)

// functionSet keeps the project's fused operators as calls of model-local functions whose
// bodies are their lowerings: one function for each operator, attributes and input types.
type functionSet struct {
	byKey  map[string]string // to the function's name
	byNode map[*graph.Node]string
	protos []*pb.FunctionProto
	counts map[string]int // outputs of each function
}

// functions makes the functions of all fused operators of a graph, and of those of ONNX
// Runtime's own domain.
func functions(g *graph.Graph) (*functionSet, error) {
	s := &functionSet{byKey: map[string]string{}, byNode: map[*graph.Node]string{}, counts: map[string]int{}}
	for _, n := range g.Nodes {
		if n.Domain == graph.Contrib && s.byKey[n.Op] == "" {
			f, err := contribFunction(n)
			if err != nil {
				return nil, err
			}
			s.byKey[n.Op] = n.Op
			s.protos = append(s.protos, f)
		}
		if n.Domain != graph.Domain {
			continue
		}
		key := n.Op
		for _, v := range n.Inputs {
			if v == nil {
				key += " -"
			} else {
				key += " " + v.Type.String()
			}
		}
		for _, name := range n.Attrs.Names() {
			key += fmt.Sprintf(" %s=%v", name, n.Attrs[name])
		}
		if s.byKey[key] == "" {
			name := fmt.Sprintf("%s_%.6x", n.Op, sha256.Sum256([]byte(key)))
			f, err := functionOf(n, name)
			if err != nil {
				return nil, err
			}
			s.byKey[key], s.counts[name] = name, len(f.Output)
			s.protos = append(s.protos, f)
		}
		s.byNode[n] = s.byKey[key]
	}
	return s, nil
}

// functionOf is a node's lowering as a function of its inputs.
func functionOf(n *graph.Node, name string) (*pb.FunctionProto, error) {
	g := graph.New(name)
	in := make([]*graph.Value, len(n.Inputs))
	for i, v := range n.Inputs {
		if v != nil {
			in[i] = g.Input(fmt.Sprintf("in%d", i), v.Type.DType, v.Type.Shape)
		}
	}
	entry, err := graph.Lookup(n.Domain, n.Op)
	if err != nil {
		return nil, err
	}
	out := g.Apply(entry, n.Attrs, len(n.Outputs), in...)
	lowered := out
	if entry.Lower != nil { // outputs that only a gradient reads have no lowering
		probe := graph.New("probe")
		c := make([]*graph.Value, len(in))
		for i, v := range in {
			if v != nil {
				c[i] = probe.Input(v.Name, v.Type.DType, v.Type.Shape)
			}
		}
		lowered = out[:len(entry.Lower(graph.NewLower(n, probe, c)))]
	}
	g.Output(lowered...)
	body, err := lower.Graph(g)
	if err != nil {
		return nil, err
	}
	f, err := onnx.FunctionProto(body, graph.Domain, name)
	if err != nil {
		return nil, err
	}
	// Absent inputs keep their place in a call, under a name that the body never reads.
	f.Input = nil
	for i := range n.Inputs {
		f.Input = append(f.Input, fmt.Sprintf("in%d", i))
	}
	return f, nil
}

// contribFunction is what an operator of ONNX Runtime's own domain means, as a function of
// its name: a runtime that has a kernel of the operator takes that, others the function.
func contribFunction(n *graph.Node) (*pb.FunctionProto, error) {
	entry, err := graph.Lookup(n.Domain, n.Op)
	if err != nil {
		return nil, err
	}
	g := graph.New(n.Op)
	in := make([]*graph.Value, len(n.Inputs))
	for i, v := range n.Inputs {
		in[i] = g.Input(entry.Inputs[i].Name, v.Type.DType, v.Type.Shape)
	}
	g.Output(entry.Lower(graph.NewLower(n, g, in))...)
	body, err := lower.Graph(g)
	if err != nil {
		return nil, err
	}
	f, err := onnx.FunctionProto(body, n.Domain, n.Op)
	if err != nil {
		return nil, err
	}
	f.Attribute = n.Attrs.Names()
	return f, nil
}

package onnxgo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/owulveryck/onnx-go"
	gonum "gonum.org/v1/gonum/graph"
	"gonum.org/v1/gonum/graph/simple"
	"gorgonia.org/tensor"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/backend/eval"
	"github.com/moezoo/moezoo/graph"
	zoo "github.com/moezoo/moezoo/graph/onnx" // with the operator table
)

// opset is what onnx-go assumes of every file: it never reads the version. Nodes of later
// forms that no older one resembles, with inputs in place of attributes, are taken as well.
const opset = 10

// Backend is an onnx-go computation backend: decode a model into it, set the inputs, run.
type Backend struct {
	*simple.WeightedDirectedGraph
	device *cpu.Device
	steps  []step
	next   int64
}

// step is one operation with its outputs; its inputs hang on the first output.
type step struct {
	node *graph.Node
	out  []*node
}

// node is a value. gonum's graph has no two edges between the same nodes, so inputs are
// kept here: Mul(x, x) has two.
type node struct {
	id   int64
	name string
	t    tensor.Tensor
	in   []*node
}

func (n *node) ID() int64                       { return n.id }
func (n *node) SetName(name string)             { n.name = name }
func (n *node) GetName() string                 { return n.name }
func (n *node) SetTensor(t tensor.Tensor) error { n.t = t; return nil }
func (n *node) GetTensor() tensor.Tensor        { return n.t }

// New makes an empty backend with a number of threads, one per processor when 0.
func New(threads int) *Backend {
	return &Backend{WeightedDirectedGraph: simple.NewWeightedDirectedGraph(0, -1), device: cpu.New(threads)}
}

// Close ends the workers.
func (b *Backend) Close() error { return b.device.Close() }

// NewNode makes a value; ids count from 0 in order, which onnx-go's SetInput relies on.
func (b *Backend) NewNode() gonum.Node {
	n := &node{id: b.next}
	b.next++
	return n
}

// SetWeightedEdge connects an output to its input number weight.
func (b *Backend) SetWeightedEdge(e gonum.WeightedEdge) {
	out, in := e.From().(*node), e.To().(*node)
	for len(out.in) <= int(e.Weight()) {
		out.in = append(out.in, nil)
	}
	out.in[int(e.Weight())] = in
	if out != in {
		b.WeightedDirectedGraph.SetWeightedEdge(e)
	}
}

// ApplyOperation records an operation on its output nodes.
func (b *Backend) ApplyOperation(op onnx.Operation, outputs ...gonum.Node) error {
	attrs, err := translate(op)
	if err != nil {
		return &onnx.ErrNotImplemented{Operator: op.Name, Message: err.Error()}
	}
	s := step{node: &graph.Node{Name: op.Name, Op: op.Name, Attrs: attrs}}
	for _, n := range outputs {
		s.out = append(s.out, n.(*node))
	}
	b.steps = append(b.steps, s)
	return nil
}

// translate checks the operator and its attributes against the table.
func translate(op onnx.Operation) (graph.Attrs, error) {
	if _, err := graph.Lookup("", op.Name); err != nil {
		return nil, err
	}
	if _, ok := cpu.Lookup("", op.Name); !ok {
		return nil, errors.New("there is no kernel for it")
	}
	attrs := graph.Attrs{}
	for name, v := range op.Attributes {
		switch v := v.(type) {
		case int64, float32, string, []int64, []float32, []string:
			attrs[name] = v
		case tensor.Tensor:
			t, err := fromTensor(v)
			if err != nil {
				return nil, err
			}
			attrs[name] = t.ToGraph()
		default:
			return nil, fmt.Errorf("attribute %s of type %T", name, v)
		}
	}
	return attrs, nil
}

// Run computes all operations in order.
func (b *Backend) Run() error {
	for _, s := range b.steps {
		if err := b.run(s); err != nil {
			return err
		}
	}
	return nil
}

func (b *Backend) run(s step) error {
	g := graph.New(s.node.Op)
	n := &graph.Node{Name: s.node.Name, Op: s.node.Op, Attrs: graph.Attrs{}}
	for k, v := range s.node.Attrs {
		n.Attrs[k] = v
	}
	inputs := map[string]*backend.Tensor{}
	for i, in := range s.out[0].in {
		if in == nil || in.t == nil {
			n.Inputs = append(n.Inputs, nil)
			continue
		}
		t, err := fromTensor(in.t)
		if err != nil {
			return &onnx.ErrNotImplemented{Operator: n.Op, Message: err.Error()}
		}
		name := fmt.Sprintf("in%d", i)
		shape := make([]int64, len(t.Shape))
		for j, d := range t.Shape {
			shape[j] = int64(d)
		}
		n.Inputs = append(n.Inputs, g.Input(name, t.DType, graph.Dims(shape...)))
		inputs[name] = t
	}
	for len(n.Inputs) > 0 && n.Inputs[len(n.Inputs)-1] == nil {
		n.Inputs = n.Inputs[:len(n.Inputs)-1] // absent, or made up by onnx-go where there is none
	}
	if err := zoo.Upgrade(g, n, opset); err != nil {
		return &onnx.ErrNotImplemented{Operator: n.Op, Message: err.Error()}
	}
	names := make([]string, len(s.out))
	for i := range names {
		names[i] = fmt.Sprintf("out%d", i)
	}
	if err := g.Append(n, names); err != nil {
		return &onnx.ErrNotImplemented{Operator: n.Op, Message: err.Error()}
	}
	g.Output(n.Outputs...)
	out, err := eval.New(g, b.device, eval.Limits{}).Run(context.Background(), inputs)
	if err != nil {
		if strings.Contains(err.Error(), "does not take") {
			return &onnx.ErrNotImplemented{Operator: n.Op, Message: err.Error()}
		}
		return err
	}
	for i, o := range s.out {
		if o.t, err = toTensor(out[i]); err != nil {
			return err
		}
	}
	return nil
}

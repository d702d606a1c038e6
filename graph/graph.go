package graph

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Graph is a model, a function, or the body of a control-flow operator.
type Graph struct {
	Name    string
	Inputs  []*Value // run-time inputs, states included
	Outputs []*Value // results, new states included
	Params  []*Param // trainable or frozen weights, in order of creation
	States  []State  // pairs of an input and the output that replaces it
	Nodes   []*Node  // in an order in which every node follows what it reads

	parent *Graph // the graph around a control-flow body
	scope  []string
	shared bool // parameters of the present scope may exist already, see Shared
	names  map[string]bool
	bounds map[string]Dim // upper bounds of run-time symbols
	err    error
}

// Value is one tensor that flows through a graph.
type Value struct {
	Name string
	Type Type // Type.DType is InvalidType while nothing is known

	graph   *Graph
	node    *Node
	index   int
	param   *Param
	data    *Tensor
	content []Dim
}

// Node applies one operator.
type Node struct {
	Name    string
	Domain  string // "" is the standard domain, "zoo" the project's own
	Op      string
	Inputs  []*Value // nil where an optional input is absent
	Outputs []*Value
	Attrs   Attrs

	graph *Graph
}

// Param is a weight: its value in the graph, how it starts, and whether the
// optimiser decays it.
type Param struct {
	Value  *Value
	Init   Init
	Decay  bool
	Frozen bool // takes part in no optimiser step
}

// Init says how a parameter starts: a scheme and its arguments, as they travel in
// plugin answers. The schemes are listed with the initialiser (package blocks).
type Init struct {
	Scheme string
	Args   map[string]float64
}

// State is carried from one run of the graph to the next.
type State struct {
	Name    string
	In, Out *Value
	Fill    float32 // every element at the start
}

// New is an empty graph.
func New(name string) *Graph {
	return &Graph{Name: name, names: map[string]bool{}, bounds: map[string]Dim{}}
}

// NewBody is an empty body for a control-flow operator inside g. Nodes of the body
// may read values of g.
func (g *Graph) NewBody(name string) *Graph {
	b := New(name)
	b.parent = g
	b.scope = append([]string(nil), g.scope...)
	b.names = g.root().names // inlining tools rename naively: names stay unique across bodies
	return b
}

func (g *Graph) root() *Graph {
	for g.parent != nil {
		g = g.parent
	}
	return g
}

// Parent is the graph around a body, nil for others.
func (g *Graph) Parent() *Graph { return g.parent }

// Err is the first mistake made while building.
func (g *Graph) Err() error { return g.root().err }

// Fail records a mistake at the present scope; only the first is kept.
func (g *Graph) Fail(err error) {
	r := g.root()
	if r.err == nil && err != nil {
		if at := strings.Join(g.scope, "/"); at != "" {
			err = fmt.Errorf("%s: %w", at, err)
		}
		r.err = err
	}
}

// Scope enters a named part of the model; the result leaves it again. Names of
// parameters and nodes made inside begin with the path of scopes:
//
//	defer g.Scope("layers.0")()
func (g *Graph) Scope(name string) func() {
	g.scope = append(g.scope, name)
	depth := len(g.scope)
	return func() { g.scope = g.scope[:depth-1] }
}

// Shared enters a scope that stands beside all others, whatever the present one is, and
// whose parameters may be made more than once: made again, they are the same. The result
// goes back to the present scope.
func (g *Graph) Shared(name string) func() {
	scope, shared := g.scope, g.shared
	g.scope, g.shared = []string{name}, true
	return func() { g.scope, g.shared = scope, shared }
}

// made is the parameter of a shared scope that exists already, nil for none.
func (g *Graph) made(name string, shape []int64) *Value {
	if !g.shared {
		return nil
	}
	for _, p := range g.Params {
		if p.Value.Name != name {
			continue
		}
		if !p.Value.Shape().Equal(Dims(shape...)) {
			g.Fail(fmt.Errorf("parameter %q: is shared as %v, not %v", name, p.Value.Shape(), shape))
		}
		return p.Value
	}
	return nil
}

// Path is name below the present scope.
func (g *Graph) Path(name string) string {
	return strings.Join(append(append([]string(nil), g.scope...), name), "/")
}

// unique reserves a name that no other value or node of the graph has.
func (g *Graph) unique(name string) string {
	names := g.root().names
	for n, i := name, 1; ; i++ {
		if !names[n] {
			names[n] = true
			return n
		}
		n = name + "_" + strconv.Itoa(i)
	}
}

// Fresh is a name close to the given one that nothing in the graph has yet.
func (g *Graph) Fresh(name string) string {
	fresh := g.unique(g.Path(name))
	delete(g.root().names, fresh)
	return fresh
}

// reserve takes exactly this name, or fails when it is in use.
func (g *Graph) reserve(kind, name string) string {
	if g.root().names[name] {
		g.Fail(fmt.Errorf("%s %q: the name is already in use", kind, name))
		return g.unique(name)
	}
	g.root().names[name] = true
	return name
}

// Input adds a run-time input. The name is taken as it is, without the scope.
func (g *Graph) Input(name string, dtype DType, shape Shape) *Value {
	return g.addInput(g.reserve("input", name), Type{dtype, shape})
}

// addInput is Input for a name that is already reserved.
func (g *Graph) addInput(name string, t Type) *Value {
	v := &Value{Name: name, Type: t, graph: g}
	g.Inputs = append(g.Inputs, v)
	return v
}

// Param adds a weight named by the scope. Shapes of weights are numbers.
func (g *Graph) Param(name string, init Init, decay bool, shape ...int64) *Value {
	if v := g.made(g.Path(name), shape); v != nil {
		return v
	}
	full := g.reserve("parameter", g.Path(name))
	for _, d := range shape {
		if d < 0 {
			g.Fail(fmt.Errorf("parameter %q: negative extent in %v", full, shape))
		}
	}
	v := &Value{Name: full, Type: Type{Float32, Dims(shape...)}, graph: g}
	v.param = &Param{Value: v, Init: init, Decay: decay}
	g.Params = append(g.Params, v.param)
	return v
}

// Frozen adds a weight that no optimiser changes.
func (g *Graph) Frozen(name string, init Init, shape ...int64) *Value {
	v := g.Param(name, init, false, shape...)
	v.param.Frozen = true
	return v
}

// Stored adds a weight of an inference graph that is stored in another type than float32,
// or that belongs to one, as its scales do. The name is taken as it is.
func (g *Graph) Stored(name string, dtype DType, shape ...int) *Value {
	v := &Value{Name: g.reserve("parameter", name), Type: Type{DType: dtype}, graph: g}
	for _, d := range shape {
		v.Type.Shape = append(v.Type.Shape, Const(int64(d)))
	}
	v.param = &Param{Value: v, Frozen: true}
	g.Params = append(g.Params, v.param)
	return v
}

// Const adds constant data.
func (g *Graph) Const(name string, t *Tensor) *Value {
	v := &Value{Name: g.unique(g.Path(name)), graph: g, data: t}
	v.Type = Type{DType: t.DType}
	for _, d := range t.Shape {
		v.Type.Shape = append(v.Type.Shape, Const(int64(d)))
	}
	v.content = contentOf(t)
	return v
}

// Float is a float32 scalar constant.
func (g *Graph) Float(x float64) *Value { return g.Const("c", Floats(nil, float32(x))) }

// Int64s is an int64 vector constant.
func (g *Graph) Int64s(v ...int64) *Value { return g.Const("c", Ints([]int{len(v)}, v...)) }

// Int64 is an int64 scalar constant.
func (g *Graph) Int64(v int64) *Value { return g.Const("c", Ints(nil, v)) }

// State adds an input that the next run sees replaced by what [Graph.SetState]
// names. Its name is taken as it is.
func (g *Graph) State(name string, dtype DType, shape Shape, fill float32) *Value {
	v := g.Input(name, dtype, shape)
	g.States = append(g.States, State{Name: name, In: v, Fill: fill})
	return v
}

// SetState names the value that replaces a state, as a further output.
func (g *Graph) SetState(in, out *Value) {
	for i := range g.States {
		if g.States[i].In == in {
			g.States[i].Out = out
			g.Outputs = append(g.Outputs, out)
			return
		}
	}
	panic("graph: SetState of a value that is no state")
}

// Output adds results.
func (g *Graph) Output(vs ...*Value) { g.Outputs = append(g.Outputs, vs...) }

// Rename gives a value a name of the caller's choice, as file formats and metrics
// need for inputs and outputs.
func (g *Graph) Rename(v *Value, name string) {
	if v.Name == name {
		return
	}
	delete(g.root().names, v.Name)
	v.Name = g.reserve("value", name)
	if v.node != nil && v.index == 0 {
		v.node.Name = v.Name // a node is called like its first output
	}
}

// FreshSymbol is a size known only at run time, at most upper.
func (g *Graph) FreshSymbol(prefix string, upper Dim) Dim {
	name := g.unique(prefix)
	g.root().bounds[name] = upper
	return Symbol(name)
}

// Bound is the upper bound of a run-time symbol.
func (g *Graph) Bound(symbol string) (Dim, bool) {
	d, ok := g.root().bounds[symbol]
	return d, ok
}

// Apply adds a node of an operator of the table with n outputs, inferring their
// types. The node lands in the innermost graph among g and its inputs. A mistake is
// recorded in the graph, and the outputs are then inert.
func (g *Graph) Apply(op *Op, attrs Attrs, n int, inputs ...*Value) []*Value {
	g = innermost(g, inputs)
	node := &Node{Domain: op.Domain, Op: op.Name, Inputs: inputs, Attrs: attrs, graph: g}
	node.Name = g.unique(g.Path(op.Name))
	for i := range n {
		name := node.Name
		if i > 0 {
			name = g.unique(node.Name + ":" + strconv.Itoa(i))
		}
		node.Outputs = append(node.Outputs, &Value{Name: name, graph: g, node: node, index: i})
	}
	if g.Err() != nil {
		return slices.Clone(node.Outputs)
	}
	if err := node.infer(op); err != nil {
		g.Fail(fmt.Errorf("%s: %w", op.Name, err))
		return slices.Clone(node.Outputs)
	}
	g.Nodes = append(g.Nodes, node)
	return slices.Clone(node.Outputs)
}

// Append adds a node as a file has it: output names are given. Where inference cannot
// tell because sizes or elements are known only at run time, the outputs stay unknown and
// the evaluator checks.
func (g *Graph) Append(node *Node, outputs []string) error {
	node.graph = g
	for i, name := range outputs {
		v := &Value{Name: name, graph: g, node: node, index: i}
		if name != "" {
			if g.root().names[name] {
				return fmt.Errorf("node %q: the name %q is defined twice", node.Name, name)
			}
			g.root().names[name] = true
		}
		node.Outputs = append(node.Outputs, v)
	}
	op, err := Lookup(node.Domain, node.Op)
	if err != nil {
		return fmt.Errorf("node %q: %w", node.Name, err)
	}
	if err := op.checkAttrs(node.Attrs); err != nil {
		return fmt.Errorf("node %q (%s): %w", node.Name, node.Op, err)
	}
	if err := node.infer(op); err != nil && node.constant() {
		return fmt.Errorf("node %q (%s): %w", node.Name, node.Op, err)
	}
	g.Nodes = append(g.Nodes, node)
	return nil
}

// constant reports whether all inputs are constants, so that inference has the last word.
func (n *Node) constant() bool {
	for _, v := range n.Inputs {
		if v != nil && v.data == nil {
			return false
		}
	}
	return true
}

func innermost(g *Graph, values []*Value) *Graph {
	depth := func(g *Graph) (n int) {
		for ; g != nil; g = g.parent {
			n++
		}
		return n
	}
	for _, v := range values {
		if v != nil && depth(v.graph) > depth(g) {
			g = v.graph
		}
	}
	return g
}

// Graph is where the value was made.
func (v *Value) Graph() *Graph { return v.graph }

// Node is the producer, nil for inputs, parameters and constants.
func (v *Value) Node() *Node { return v.node }

// Index is the value's position among its producer's outputs.
func (v *Value) Index() int { return v.index }

// Param is the weight behind the value, nil for others.
func (v *Value) Param() *Param { return v.param }

// Data is the constant behind the value, nil for others.
func (v *Value) Data() *Tensor { return v.data }

// Shape is the value's shape.
func (v *Value) Shape() Shape { return v.Type.Shape }

// Dim is the extent of an axis; negative axes count from the end. An axis out of
// range is the dimension 0, which no operator accepts silently.
func (v *Value) Dim(axis int) Dim {
	if axis < 0 {
		axis += len(v.Type.Shape)
	}
	if axis < 0 || axis >= len(v.Type.Shape) {
		return Dim{}
	}
	return v.Type.Shape[axis]
}

// Rank is the number of axes.
func (v *Value) Rank() int { return len(v.Type.Shape) }

// Known reports whether inference succeeded for the value.
func (v *Value) Known() bool { return v.Type.DType != InvalidType }

// Content is what is known of the elements of a small integer tensor, as dims:
// shape computations stay symbolic through it.
func (v *Value) Content() ([]Dim, bool) { return v.content, v.content != nil }

// String writes "name float32[B, L, 128]".
func (v *Value) String() string { return v.Name + " " + v.Type.String() }

// Graph is where the node stands.
func (n *Node) Graph() *Graph { return n.graph }

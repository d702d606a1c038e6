package graph

import (
	"errors"
	"fmt"
)

// errUnknown says that inference cannot run because an input's type is not known,
// which happens only in graphs read from files.
var errUnknown = errors.New("the type of an input is not known")

// Known is what inference may look at of one input: always its type, and the
// elements when they are constant (Data) or small integers (Content).
type Known struct {
	Type    Type
	Data    *Tensor
	Content []Dim
}

// Infer is what an inference rule sees and fills in.
type Infer struct {
	*Node
	in      []*Known // nil where an optional input is absent
	out     []Type
	content [][]Dim
}

// InferTypes runs an operator's inference rule on inputs that need not stand in a
// graph: the evaluator calls it with run-time shapes. in holds nil for absent
// inputs.
func InferTypes(node *Node, in []*Known) ([]Type, error) {
	op, err := Lookup(node.Domain, node.Op)
	if err != nil {
		return nil, err
	}
	c, err := op.run(node, in)
	if err != nil {
		return nil, err
	}
	return c.out, nil
}

func (op *Op) run(node *Node, in []*Known) (*Infer, error) {
	if err := op.checkArity(in, len(node.Outputs)); err != nil {
		return nil, err
	}
	c := &Infer{Node: node, in: in, out: make([]Type, len(node.Outputs)), content: make([][]Dim, len(node.Outputs))}
	if err := op.Infer(c); err != nil {
		return nil, err
	}
	for i, t := range c.out {
		if t.DType == InvalidType {
			return nil, fmt.Errorf("output %d has no type: the operator does not have that many outputs", i)
		}
		if len(t.Shape) > maxRank {
			return nil, fmt.Errorf("output %d would have rank %d, above %d", i, len(t.Shape), maxRank)
		}
		for _, d := range t.Shape {
			if n, ok := d.Int(); ok && n < 0 {
				return nil, fmt.Errorf("output %d would have a negative extent: %v", i, t.Shape)
			} else if ok && n > maxExtent {
				return nil, fmt.Errorf("output %d would have an extent above %d: %v", i, int64(maxExtent), t.Shape)
			}
			if d.tooLong() {
				return nil, fmt.Errorf("output %d would have an extent that is too long an expression of the input's sizes", i)
			}
		}
	}
	return c, nil
}

func (op *Op) checkArity(in []*Known, outputs int) error {
	variadic := len(op.Inputs) > 0 && op.Inputs[len(op.Inputs)-1].Variadic
	if len(in) > len(op.Inputs) && !variadic {
		return fmt.Errorf("got %d inputs, takes at most %d", len(in), len(op.Inputs))
	}
	for i, a := range op.Inputs {
		if absent := i >= len(in) || in[i] == nil; absent && !a.Optional && !a.Variadic {
			return fmt.Errorf("input %d (%s) is missing", i, a.Name)
		}
	}
	for i := max(len(op.Inputs)-1, 0); variadic && i < len(in); i++ {
		if in[i] == nil {
			return fmt.Errorf("input %d (%s) is missing", i, op.Inputs[len(op.Inputs)-1].Name)
		}
	}
	variadic = len(op.Outputs) > 0 && op.Outputs[len(op.Outputs)-1].Variadic
	if outputs > len(op.Outputs) && !variadic {
		return fmt.Errorf("got %d outputs, has at most %d", outputs, len(op.Outputs))
	}
	return nil
}

// infer types the outputs of a node inside a graph.
func (n *Node) infer(op *Op) error {
	if err := op.checkAttrs(n.Attrs); err != nil {
		return err
	}
	in := make([]*Known, len(n.Inputs))
	for i, v := range n.Inputs {
		if v == nil {
			continue
		}
		if !v.Known() {
			return errUnknown
		}
		in[i] = &Known{Type: v.Type, Data: v.data, Content: v.content}
	}
	c, err := op.run(n, in)
	if err != nil {
		return err
	}
	for i, v := range n.Outputs {
		v.Type, v.content = c.out[i], c.content[i]
	}
	return nil
}

// Has reports whether input i is given.
func (c *Infer) Has(i int) bool { return i < len(c.in) && c.in[i] != nil }

// N is the number of inputs, absent ones in between included.
func (c *Infer) N() int { return len(c.in) }

// Shape is the shape of input i.
func (c *Infer) Shape(i int) Shape { return c.in[i].Type.Shape }

// DType is the element type of input i.
func (c *Infer) DType(i int) DType { return c.in[i].Type.DType }

// Content is what is known of the elements of integer input i.
func (c *Infer) Content(i int) ([]Dim, bool) {
	if !c.Has(i) || c.in[i].Content == nil {
		return nil, false
	}
	return c.in[i].Content, true
}

// ConstInts are the elements of integer input i when they are all numbers.
func (c *Infer) ConstInts(i int) ([]int64, bool) {
	if dims, ok := c.Content(i); ok {
		out := make([]int64, len(dims))
		for j, d := range dims {
			if out[j], ok = d.Int(); !ok {
				return nil, false
			}
		}
		return out, true
	}
	if c.Has(i) && c.in[i].Data != nil {
		v, err := c.in[i].Data.Int64s()
		return v, err == nil
	}
	return nil, false
}

// Data is input i when it is constant, else nil.
func (c *Infer) Data(i int) *Tensor {
	if !c.Has(i) {
		return nil
	}
	return c.in[i].Data
}

// Out sets the type of output i; outputs that the node does not have are ignored.
func (c *Infer) Out(i int, dtype DType, shape Shape) {
	if i < len(c.out) {
		c.out[i] = Type{dtype, shape}
	}
}

// maxExtent bounds constant extents: no machine has room for one element each.
const maxExtent = 1 << 48

// maxRank bounds the number of extents.
const maxRank = 64

// SetContent says what the elements of integer output i are. What is too long to follow
// stays unknown.
func (c *Infer) SetContent(i int, dims []Dim) {
	for _, d := range dims {
		if d.tooLong() {
			return
		}
	}
	if i < len(c.content) && len(dims) <= maxContent {
		c.content[i] = dims
		if dims == nil {
			c.content[i] = []Dim{}
		}
	}
}

// RunTime reports whether a dim holds a symbol whose size is known only at run time, so
// that its equality with another dim cannot be decided before.
func (c *Infer) RunTime(d Dim) bool {
	if c.Node.graph == nil {
		return false
	}
	set := map[string]bool{}
	d.Symbols(set)
	for s := range set {
		if _, ok := c.Node.graph.Bound(s); ok {
			return true
		}
	}
	return false
}

// Want checks the element type and rank of input i; rank −1 accepts any.
func (c *Infer) Want(i int, dtype DType, rank int) error {
	if !c.Has(i) {
		return nil
	}
	if c.DType(i) != dtype {
		return fmt.Errorf("%s: got %v, want %v", c.argName(i), c.in[i].Type, dtype)
	}
	if rank >= 0 && len(c.Shape(i)) != rank {
		return fmt.Errorf("%s: got %v, want rank %d", c.argName(i), c.in[i].Type, rank)
	}
	return nil
}

// WantShape checks the element type and the whole shape of input i.
func (c *Infer) WantShape(i int, dtype DType, dims ...Dim) error {
	if err := c.Want(i, dtype, len(dims)); err != nil || !c.Has(i) {
		return err
	}
	if !c.Shape(i).Equal(dims) {
		return fmt.Errorf("%s: got %v, want %v", c.argName(i), c.in[i].Type, Shape(dims))
	}
	return nil
}

func (c *Infer) argName(i int) string {
	if op, err := Lookup(c.Domain, c.Op); err == nil && i < len(op.Inputs) {
		return op.Inputs[i].Name
	}
	return fmt.Sprintf("input %d", i)
}

// maxContent bounds the integer tensors whose elements inference follows.
const maxContent = 64

// contentOf is the content of a small constant integer tensor of rank 0 or 1.
func contentOf(t *Tensor) []Dim {
	if t == nil || !t.DType.IsInt() || len(t.Shape) > 1 || t.Elements() > maxContent {
		return nil
	}
	ints, err := t.Int64s()
	if err != nil {
		return nil
	}
	return Dims(ints...)
}

// ContentOf is contentOf for callers that hold run-time tensors.
func ContentOf(t *Tensor) []Dim { return contentOf(t) }

// Broadcast is the shape of elementwise operators by ONNX's rule: axes are aligned
// at the end, and an extent of 1 stretches.
func Broadcast(a, b Shape) (Shape, error) {
	n := max(len(a), len(b))
	out := make(Shape, n)
	for i := range n {
		x, y := Const(1), Const(1)
		if j := i - (n - len(a)); j >= 0 {
			x = a[j]
		}
		if j := i - (n - len(b)); j >= 0 {
			y = b[j]
		}
		switch {
		case x.Equal(y), y.Is(1):
			out[i] = x
		case x.Is(1):
			out[i] = y
		default:
			return nil, fmt.Errorf("shapes %v and %v do not broadcast: %v against %v", a, b, x, y)
		}
	}
	return out, nil
}

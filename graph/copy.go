package graph

import (
	"fmt"
	"maps"
)

// Copier carries values of one graph over to another, re-inferring every type on
// the way. It is the base of binding, inlining and lowering.
type Copier struct {
	dst   *Graph
	env   map[string]int64
	value map[*Value]*Value

	// Rewrite may replace a node: it gets the copied inputs and answers the outputs, or
	// nil to have the node copied as it is.
	Rewrite func(n *Node, in []*Value) []*Value
	// Names keeps value names as they are in the source where they are free.
	Names bool
}

// NewCopier copies into dst. env may bind symbols to numbers.
func NewCopier(dst *Graph, env map[string]int64) *Copier {
	return &Copier{dst: dst, env: env, value: map[*Value]*Value{}}
}

// Map says what stands for a value of the source.
func (c *Copier) Map(from, to *Value) { c.value[from] = to }

// Value is what stands for a value of the source, copying constants and parameters
// when they are first asked for. A nil value stays nil.
func (c *Copier) Value(v *Value) *Value {
	if v == nil {
		return nil
	}
	if w, ok := c.value[v]; ok {
		return w
	}
	switch {
	case v.data != nil:
		w := c.dst.root().Const("c", v.data)
		c.rename(w, v)
		c.value[v] = w
		return w
	case v.param != nil:
		r := c.dst.root()
		w := &Value{Name: r.reserve("parameter", v.Name), Type: v.Type, graph: r}
		w.param = &Param{Value: w, Init: v.param.Init, Decay: v.param.Decay, Frozen: v.param.Frozen}
		r.Params = append(r.Params, w.param)
		c.value[v] = w
		return w
	}
	return v // a value of a graph around the source, or of the destination itself
}

func (c *Copier) rename(w, v *Value) {
	if c.Names && v.Name != "" && !c.dst.root().names[v.Name] {
		c.dst.Rename(w, v.Name)
	}
}

// Nodes copies all nodes of src in order.
func (c *Copier) Nodes(src *Graph) {
	for _, n := range src.Nodes {
		c.Node(n)
	}
}

// Node copies one node.
func (c *Copier) Node(n *Node) {
	in := make([]*Value, len(n.Inputs))
	for i, v := range n.Inputs {
		in[i] = c.Value(v)
	}
	var out []*Value
	if c.Rewrite != nil {
		out = c.Rewrite(n, in)
	}
	if out == nil {
		op, err := Lookup(n.Domain, n.Op)
		if err != nil {
			c.dst.Fail(err)
			return
		}
		out = c.dst.Apply(op, c.attrs(n.Attrs), len(n.Outputs), in...)
	}
	for i, v := range n.Outputs {
		if i < len(out) {
			c.value[v] = out[i]
			if out[i] != nil && out[i].node != nil {
				c.rename(out[i], v)
			}
		}
	}
}

func (c *Copier) attrs(attrs Attrs) Attrs {
	out := maps.Clone(attrs)
	for name, a := range attrs {
		if body, ok := a.(*Graph); ok {
			out[name] = c.Body(body)
		}
	}
	return out
}

// Body copies the body of a control-flow operator into the destination.
func (c *Copier) Body(body *Graph) *Graph {
	b := c.dst.NewBody(body.Name)
	inner := &Copier{dst: b, env: c.env, value: c.value, Rewrite: c.Rewrite, Names: c.Names}
	for _, v := range body.Inputs {
		c.value[v] = b.addInput(b.unique(v.Name), Type{v.Type.DType, v.Type.Shape.Bind(c.env)})
	}
	inner.Nodes(body)
	for _, v := range body.Outputs {
		b.Output(inner.Value(v))
	}
	return b
}

// Bind is a copy of g with symbols replaced by numbers.
func (g *Graph) Bind(env map[string]int64) (*Graph, error) {
	dst := New(g.Name)
	c := NewCopier(dst, env)
	c.Names = true
	g.CopyInputs(c)
	c.Nodes(g)
	g.CopyOutputs(c)
	return dst, dst.Err()
}

// Rewritten is a copy of g in which rewrite may replace nodes.
func (g *Graph) Rewritten(rewrite func(n *Node, in []*Value) []*Value) (*Graph, error) {
	dst := New(g.Name)
	c := NewCopier(dst, nil)
	c.Names, c.Rewrite = true, rewrite
	g.CopyInputs(c)
	c.Nodes(g)
	g.CopyOutputs(c)
	return dst, dst.Err()
}

// CopyInputs makes the same inputs and parameters in the copier's destination.
func (g *Graph) CopyInputs(c *Copier) {
	for name, d := range g.bounds {
		c.dst.bounds[name] = d.Bind(c.env)
	}
	for _, v := range g.Inputs {
		c.Map(v, c.dst.Input(v.Name, v.Type.DType, v.Type.Shape.Bind(c.env)))
	}
	for _, p := range g.Params {
		c.Value(p.Value)
	}
}

// CopyOutputs makes the same outputs and states in the copier's destination.
func (g *Graph) CopyOutputs(c *Copier) {
	for _, v := range g.Outputs {
		c.dst.Output(c.Value(v))
	}
	for _, s := range g.States {
		c.dst.States = append(c.dst.States, State{Name: s.Name, In: c.Value(s.In), Out: c.Value(s.Out), Fill: s.Fill})
	}
}

// Inline applies a function, given as a graph whose every free value is an input, to
// values of g.
func (g *Graph) Inline(fn *Graph, inputs ...*Value) []*Value {
	out := make([]*Value, len(fn.Outputs))
	for i := range out {
		out[i] = &Value{Name: fn.Name, graph: g}
	}
	if len(inputs) != len(fn.Inputs) {
		g.Fail(fmt.Errorf("function %s: got %d inputs, takes %d", fn.Name, len(inputs), len(fn.Inputs)))
		return out
	}
	c := NewCopier(g, nil)
	for i, v := range fn.Inputs {
		c.Map(v, inputs[i])
	}
	c.Nodes(fn)
	for i, v := range fn.Outputs {
		out[i] = c.Value(v)
	}
	return out
}

// Prune removes nodes that no output, directly or through a body, depends on.
func (g *Graph) Prune() {
	live := map[*Value]bool{}
	for _, v := range g.Outputs {
		live[v] = true
	}
	kept := make([]*Node, 0, len(g.Nodes))
	for i := len(g.Nodes) - 1; i >= 0; i-- {
		n := g.Nodes[i]
		if !anyLive(live, n.Outputs) {
			continue
		}
		n.Reads(func(v *Value) { live[v] = true })
		kept = append(kept, n)
	}
	for i, j := 0, len(kept)-1; i < j; i, j = i+1, j-1 {
		kept[i], kept[j] = kept[j], kept[i]
	}
	g.Nodes = kept
}

func anyLive(live map[*Value]bool, vs []*Value) bool {
	for _, v := range vs {
		if live[v] {
			return true
		}
	}
	return false
}

// Reads calls f for every value that the node reads: its inputs, and what its bodies
// read or return.
func (n *Node) Reads(f func(*Value)) {
	for _, v := range n.Inputs {
		if v != nil {
			f(v)
		}
	}
	for _, name := range n.Attrs.Names() {
		if body, ok := n.Attrs[name].(*Graph); ok {
			for _, m := range body.Nodes {
				m.Reads(f)
			}
			for _, v := range body.Outputs {
				f(v)
			}
		}
	}
}

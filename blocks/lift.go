package blocks

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// lifted applies an expert's function, written for one expert, to the rows of all E
// experts at once. Every value inside is one of three kinds:
//
//	constant    the same for all experts
//	per expert  made of parameters only; gains a leading axis E
//	per token   depends on the rows; stays [R, ...]
//
// and meets others only where that has a meaning: per-token rows times a per-expert
// matrix become a grouped product, and a per-expert vector meets each row as the vector of
// the row's expert. Anything that would mix tokens is refused by the node's name.
type lifted struct {
	c       *Context
	expert  *plugins.Function
	experts int64
	d       op.Dispatched
}

type liftKind uint8

const (
	constant liftKind = iota
	perExpert
	perToken
)

type liftedValue struct {
	v    Value
	kind liftKind
}

// forward maps rows [R, D] to the experts' outputs [R, D'], with parameters under a scope;
// nil after a mistake.
func (l lifted) forward(scope string, rows Value) Value {
	g, fn := l.c.G, l.c.form(l.expert)
	env := map[*graph.Value]liftedValue{fn.Inputs[0]: {rows, perToken}}
	done := g.Scope(scope)
	defer done()
	for i, p := range l.expert.Params {
		init := graph.Init{Scheme: p.Init.Scheme, Args: map[string]float64{"experts": float64(l.experts)}}
		for k, v := range p.Init.Args {
			init.Args[k] = v
		}
		w := g.Param(p.Name, init, p.Decay, append([]int64{l.experts}, p.Shape...)...)
		env[fn.Inputs[1+i]] = liftedValue{w, perExpert}
	}
	for _, n := range fn.Nodes {
		if err := l.node(env, n); err != nil {
			g.Fail(fmt.Errorf("expert %s/%s: %s: %w", l.expert.Provider, l.expert.Variant, n.Name, err))
			return nil
		}
		if g.Err() != nil {
			return nil
		}
	}
	i, ok := l.expert.Output(fn, "y")
	if !ok {
		g.Fail(fmt.Errorf("expert %s/%s has no output \"y\"", l.expert.Provider, l.expert.Variant))
		return nil
	}
	y := env[fn.Outputs[i]]
	if y.kind != perToken {
		g.Fail(fmt.Errorf("expert %s/%s: its output does not depend on the token", l.expert.Provider, l.expert.Variant))
		return nil
	}
	return y.v
}

// look is what stands for a value of the function.
func (l lifted) look(env map[*graph.Value]liftedValue, v *graph.Value) liftedValue {
	if w, ok := env[v]; ok {
		return w
	}
	w := liftedValue{l.c.G.Const("c", v.Data()), constant}
	env[v] = w
	return w
}

// node lifts one node.
func (l lifted) node(env map[*graph.Value]liftedValue, n *graph.Node) error {
	in := make([]liftedValue, len(n.Inputs))
	highest := constant
	for i, v := range n.Inputs {
		if v == nil {
			continue
		}
		in[i] = l.look(env, v)
		highest = max(highest, in[i].kind)
	}
	entry, err := graph.Lookup(n.Domain, n.Op)
	if err != nil {
		return err
	}
	var out []Value
	switch {
	case highest == constant:
		out = l.apply(entry, n, in)
	case n.Op == "MatMul" && n.Domain == "":
		out, err = l.matMul(n, in)
	case elementwise[n.Domain+"."+n.Op]:
		out, err = l.elementwise(entry, n, in, highest)
	case rowwise[n.Domain+"."+n.Op] && highest == perToken:
		out, err = l.rowwise(entry, n, in)
	default:
		return fmt.Errorf("operator %s may mix tokens or experts, which an expert's function must not", n.Op)
	}
	if err != nil {
		return err
	}
	for i, v := range n.Outputs {
		env[v] = liftedValue{out[i], highest}
	}
	return nil
}

func (l lifted) apply(entry *graph.Op, n *graph.Node, in []liftedValue) []Value {
	vs := make([]Value, len(in))
	for i := range in {
		vs[i] = in[i].v
	}
	return l.c.G.Apply(entry, n.Attrs, len(n.Outputs), vs...)
}

// matMul is a product with a matrix of parameters.
func (l lifted) matMul(n *graph.Node, in []liftedValue) ([]Value, error) {
	a, b := in[0], in[1]
	switch {
	case a.kind == perToken && b.kind == perExpert && n.Inputs[1].Rank() == 2:
		return []Value{op.GroupedMatMul(a.v, b.v, l.d)}, nil
	case a.kind == perToken && b.kind == constant && n.Inputs[1].Rank() == 2:
		return []Value{op.MatMul(a.v, b.v)}, nil
	case a.kind == perExpert && b.kind != perToken && n.Inputs[0].Rank() == 2 && n.Inputs[1].Rank() == 2:
		return []Value{op.MatMul(a.v, b.v)}, nil // [E, ., .] each
	}
	return nil, fmt.Errorf("MatMul of %v and %v: only rows times a matrix of parameters is per token", n.Inputs[0].Type, n.Inputs[1].Type)
}

// elementwise operators take rows, and per-expert vectors as the vector of each row's
// expert.
func (l lifted) elementwise(entry *graph.Op, n *graph.Node, in []liftedValue, highest liftKind) ([]Value, error) {
	for i := range in {
		v := n.Inputs[i]
		switch {
		case v == nil:
		case highest == perToken && in[i].kind == perToken && v.Rank() != 2:
			return nil, fmt.Errorf("%v is not a row per token", v.Type)
		case highest == perToken && in[i].kind == perExpert:
			if v.Rank() != 1 {
				return nil, fmt.Errorf("%v of parameters meets rows: only a vector can", v.Type)
			}
			in[i].v = op.ExpertRows(in[i].v, l.d)
		case highest == perToken && in[i].kind == constant && v.Rank() > 1 && !v.Dim(0).Is(1):
			return nil, fmt.Errorf("%v has a row of its own for each token", v.Type)
		case highest == perExpert && in[i].kind == perExpert && v.Rank() == 0:
			return nil, fmt.Errorf("%v: a parameter needs at least one axis", v.Type)
		case highest == perExpert && in[i].kind == constant && v.Rank() > l.rankOf(n):
			return nil, fmt.Errorf("%v broadcasts over experts", v.Type)
		}
	}
	return l.apply(entry, n, in), nil
}

// rankOf is the rank of the node's per-expert operands inside the function.
func (l lifted) rankOf(n *graph.Node) int {
	r := 0
	for _, v := range n.Inputs {
		if v != nil && v.Data() == nil {
			r = max(r, v.Rank())
		}
	}
	return r
}

// rowwise operators work along the last axis of every row.
func (l lifted) rowwise(entry *graph.Op, n *graph.Node, in []liftedValue) ([]Value, error) {
	if in[0].kind != perToken || n.Inputs[0].Rank() != 2 {
		return nil, fmt.Errorf("operator %s expects rows [T, D] first", n.Op)
	}
	for i := 1; i < len(in); i++ {
		if n.Inputs[i] != nil && in[i].kind != constant {
			return nil, fmt.Errorf("operator %s: only rows may vary by expert or token", n.Op)
		}
	}
	if axis := n.Int("axis", -1); axis != -1 && axis != 1 {
		return nil, fmt.Errorf("operator %s works along axis %d, across tokens", n.Op, axis)
	}
	return l.apply(entry, n, in), nil
}

// elementwise operators compute each element from elements at the same place.
var elementwise = set(
	".Add", ".Sub", ".Mul", ".Div", ".Pow", ".Min", ".Max", ".Neg", ".Abs", ".Exp", ".Log", ".Sqrt", ".Reciprocal", ".Sigmoid",
	".Tanh", ".Relu", ".Softplus", ".Erf", ".Clip", ".Identity", ".Cast", ".Where", ".Greater", ".Less", ".Equal", ".Sign", ".LeakyRelu",
	"zoo.SiLU", "zoo.Gelu",
)

// rowwise operators work along the last axis of each row.
var rowwise = set(".Softmax", ".LogSoftmax", ".Split")

func set(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}

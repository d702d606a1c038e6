package fuse

import (
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// Bound is g at these sizes with everything fused that can be behind differentiation: what
// plans are made of.
func Bound(g *graph.Graph, sizes map[string]int64) (*graph.Graph, error) {
	bound, err := g.Bind(sizes)
	if err != nil {
		return nil, err
	}
	bound.Prune()
	return Epilogues(bound)
}

// Epilogues is g with products that compute, while their results are in the cache, what is
// done with them next: the addition of a bias, an activation, a gate, the addition of a
// residual, and on the way back the gradient of an activation. Products that only become
// one with others when sizes are numbers are found then, so g should be bound. It must not
// be differentiated any more.
func Epilogues(g *graph.Graph) (*graph.Graph, error) {
	dst := graph.New(g.Name)
	c := graph.NewCopier(dst, nil)
	f := finder{dst: dst, c: c, matcher: newMatcher(g), at: map[*graph.Node]int{}, readers: map[*graph.Value][]*graph.Node{}, outputs: map[*graph.Value]bool{}}
	for _, v := range g.Outputs {
		f.outputs[v] = true
	}
	for i, n := range g.Nodes {
		f.at[n] = i
		n.Reads(func(v *graph.Value) { f.readers[v] = append(f.readers[v], n) })
	}
	c.Names, c.Rewrite = true, f.rewrite
	g.CopyInputs(c)
	c.Nodes(g)
	g.CopyOutputs(c)
	dst.Prune()
	return dst, dst.Err()
}

// finder finds products in front of a node.
type finder struct {
	matcher
	dst     *graph.Graph
	c       *graph.Copier
	at      map[*graph.Node]int
	readers map[*graph.Value][]*graph.Node
	outputs map[*graph.Value]bool
}

// step is an operator that a product may end with: the epilogue's name, and which of its
// inputs may be the product.
type step struct {
	epilogue string
	products []int
}

var steps = map[string]step{
	".Relu": {"relu", []int{0}}, "zoo.Gelu": {"gelu", []int{0}}, "zoo.SiLU": {"silu", []int{0}}, ".Softplus": {"softplus", []int{0}},
	".Add": {"add", []int{1, 0}}, ".Mul": {"mul", []int{1, 0}}, "zoo.SiLUGate": {"silu_gate", []int{0}},
	"zoo.ReluGrad": {"relu_grad", []int{0}}, "zoo.GeluGrad": {"gelu_grad", []int{0}},
	"zoo.SiLUGrad": {"silu_grad", []int{0}}, "zoo.SoftplusGrad": {"softplus_grad", []int{0}},
}

// chain is a product and what comes between it and its epilogue.
type chain struct {
	product *graph.Node
	offsets *graph.Value // of experts
	bias    *graph.Value
	sum     *graph.Value // the product with its bias
	end     *graph.Value // the same under another shape
}

// rewrite replaces a node that ends a product.
func (f finder) rewrite(n *graph.Node, in []*graph.Value) []*graph.Value {
	s, ok := steps[n.Domain+"."+n.Op]
	if !ok || n.Outputs[0].Type.DType != graph.Float32 {
		return nil
	}
	defer f.dst.Scope(n.Name)()
	for _, i := range s.products {
		if h, ok := f.chain(n, i); ok {
			if out := f.build(n, s.epilogue, h, in, i); out != nil {
				return out
			}
		}
	}
	if n.Op == "Add" { // no epilogue, but perhaps a bias
		for i := range 2 {
			if h, ok := f.biased(n, i); ok {
				y, _ := f.product(h, "", nil)
				return []*graph.Value{y}
			}
		}
	}
	return nil
}

// chain is the product that input i of n is the result of, perhaps with a bias and under
// another shape.
func (f finder) chain(n *graph.Node, i int) (chain, bool) {
	v := n.Inputs[i]
	h := chain{end: v}
	if p := v.Node(); p != nil && p.Domain == "" && p.Op == "Reshape" && f.uses[v] == 1 {
		v = p.Inputs[0]
	}
	h.sum = v
	p := v.Node()
	if p == nil {
		return h, false
	}
	if p.Op == "Add" && p.Domain == "" {
		for j := range 2 {
			if b, ok := f.biased(p, j); ok {
				b.sum, b.end = h.sum, h.end
				return b, f.late(b, n)
			}
		}
	}
	if !f.isProduct(p) {
		return h, false
	}
	h.product = p
	if p.Op == "GroupedMatMul" {
		h.offsets = p.Inputs[2]
	}
	return h, f.late(h, n)
}

// late reports whether nothing but the product's epilogue needs its result before it, or by
// its name.
func (f finder) late(h chain, n *graph.Node) bool {
	if f.outputs[h.sum] || f.outputs[h.end] {
		return false
	}
	for _, v := range []*graph.Value{h.sum, h.end} {
		for _, r := range f.readers[v] {
			if f.at[r] < f.at[n] && r.Outputs[0] != h.end {
				return false
			}
		}
	}
	return true
}

// biased is the product that n adds a bias to, when input i is one and nothing else reads it.
func (f finder) biased(n *graph.Node, i int) (chain, bool) {
	v, bias := n.Inputs[i], n.Inputs[1-i]
	p := v.Node()
	if p == nil || f.uses[v] != 1 || !f.isProduct(p) || v.Type.DType != graph.Float32 {
		return chain{}, false
	}
	h := chain{product: p, bias: bias, sum: n.Outputs[0], end: n.Outputs[0]}
	if p.Op != "GroupedMatMul" {
		return h, bias.Rank() == 1 && bias.Dim(0).Equal(v.Dim(-1))
	}
	h.offsets = p.Inputs[2]
	rows := bias.Node()
	if rows == nil || rows.Op != "ExpertRows" || rows.Inputs[1] != h.offsets {
		return chain{}, false
	}
	h.bias = rows.Inputs[0]
	return h, true
}

// isProduct reports whether a node is a product of rows with a matrix, or with experts'.
func (f finder) isProduct(n *graph.Node) bool {
	if len(n.Outputs) != 1 || n.Outputs[0].Type.DType != graph.Float32 {
		return false
	}
	switch {
	case n.Domain == "" && n.Op == "MatMul":
		return n.Inputs[0].Rank() >= 2 && n.Inputs[1].Rank() == 2
	case n.Domain == "" && n.Op == "Gemm":
		return (len(n.Inputs) < 3 || n.Inputs[2] == nil) && n.Int("transA", 0) == 0 && n.Float("alpha", 1) == 1
	case n.Domain == graph.Domain && n.Op == "MixedMatMul":
		return n.Int("transA", 0) == 0
	case n.Domain == graph.Domain && n.Op == "GroupedMatMul":
		return len(n.Inputs) == 3 && n.Inputs[0].Type.DType == n.Inputs[1].Type.DType
	}
	return false
}

// build makes the product with an epilogue that stands for n.
func (f finder) build(n *graph.Node, epilogue string, h chain, in []*graph.Value, i int) []*graph.Value {
	inside, known := h.sum.Shape().Ints()
	outside, _ := h.end.Shape().Ints()
	if !known {
		return nil
	}
	var other *graph.Value
	if len(n.Inputs) == 2 {
		second := n.Inputs[1-i]
		if !second.Shape().Equal(h.end.Shape()) || second == n.Inputs[i] {
			return nil
		}
		if second.Node() == nil && f.outputs[n.Outputs[0]] {
			return nil // they may be the same memory
		}
		other = under(in[1-i], inside)
	}
	y, z := f.product(h, epilogue, other)
	if f.uses[h.sum] > 1 { // others read it, too
		f.c.Map(h.sum, z)
	}
	return []*graph.Value{under(y, outside)}
}

// under is v under a shape.
func under(v *graph.Value, shape []int) *graph.Value {
	dims := make([]int64, len(shape))
	for i, d := range shape {
		dims[i] = int64(d)
	}
	if v.Shape().Equal(graph.Dims(dims...)) {
		return v
	}
	return op.Reshape(v, dims...)
}

// product makes the product of a chain.
func (f finder) product(h chain, epilogue string, other *graph.Value) (y, z *graph.Value) {
	n := h.product
	return op.Product(f.c.Value(n.Inputs[0]), f.c.Value(n.Inputs[1]),
		op.Operands{Offsets: f.c.Value(h.offsets), Bias: f.c.Value(h.bias), Other: other},
		op.ProductSpec{TransB: n.Int("transB", 0) == 1, Partial: n.Int("partial", 0) == 1, Epilogue: epilogue})
}

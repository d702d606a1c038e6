package pack

import (
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// Pays tells whether a product of so many rows with a matrix [k, n], or with the transpose
// of one [n, k], is faster with panels.
type Pays func(rows, n, k int, transposed bool) bool

// Graph is g, whose sizes are numbers, with panels of width columns of those parameters for
// whose products they pay. The rows of experts are taken to be shared out evenly. It must not
// be differentiated any more.
func Graph(g *graph.Graph, width int64, pays Pays) (*graph.Graph, error) {
	p := packer{width: width, pays: pays, panels: map[panelKey]*graph.Value{}}
	return g.Rewritten(p.node)
}

type packer struct {
	width  int64
	pays   Pays
	panels map[panelKey]*graph.Value
}

type panelKey struct {
	w          *graph.Value
	transposed bool
}

// multiplication is a product of rows with a parameter.
type multiplication struct {
	x, w       *graph.Value
	in         op.Operands
	spec       op.ProductSpec
	rows, n, k int
}

// node puts panels in the place of a product's parameter.
func (p packer) node(n *graph.Node, in []*graph.Value) []*graph.Value {
	m, ok := multiplicationOf(n, in)
	if !ok || !p.pays(m.rows, m.n, m.k, m.spec.TransB) {
		return nil
	}
	key := panelKey{m.w, m.spec.TransB}
	if p.panels[key] == nil {
		v := op.Panels(m.w, p.width, m.spec.TransB)
		name := m.w.Name + "/panels"
		if m.spec.TransB {
			name += "/transposed"
		}
		v.Graph().Rename(v, name)
		p.panels[key] = v
	}
	m.spec.TransB, m.spec.Columns = false, int64(m.n)
	y, z := op.Product(m.x, p.panels[key], m.in, m.spec)
	return []*graph.Value{y, z}[:len(n.Outputs)]
}

// multiplicationOf describes a node that multiplies float32 rows with a parameter.
func multiplicationOf(n *graph.Node, in []*graph.Value) (multiplication, bool) {
	if len(in) < 2 || in[1] == nil || in[1].Param() == nil || in[1].Type.DType != graph.Float32 || in[0].Type.DType != graph.Float32 {
		return multiplication{}, false
	}
	m := multiplication{x: in[0], w: in[1], spec: op.ProductSpec{TransB: n.Int("transB", 0) == 1, Partial: n.Int("partial", 0) == 1}}
	operand := func(i int) *graph.Value {
		if i < len(in) {
			return in[i]
		}
		return nil
	}
	switch {
	case n.Domain == "" && n.Op == "MatMul":
		if m.x.Rank() < 2 || m.w.Rank() != 2 {
			return m, false
		}
	case n.Domain == "" && n.Op == "Gemm":
		if operand(2) != nil || n.Int("transA", 0) == 1 || n.Float("alpha", 1) != 1 {
			return m, false
		}
	case n.Domain == graph.Domain && n.Op == "GroupedMatMul":
		m.in.Offsets = operand(2)
	case n.Domain == graph.Domain && n.Op == "Product":
		if n.Int("columns", 0) > 0 {
			return m, false
		}
		m.in = op.Operands{Offsets: operand(2), Bias: operand(3), Other: operand(4)}
		m.spec.Epilogue = n.Str("epilogue", "")
	default:
		return m, false
	}
	return m, m.measure()
}

// measure finds the extents, of an expert's share of the rows where there are experts.
func (m *multiplication) measure() bool {
	x, known := m.x.Shape().Ints()
	w, fixed := m.w.Shape().Ints()
	if !known || !fixed {
		return false
	}
	m.rows = 1
	for _, d := range x[:len(x)-1] {
		m.rows *= d
	}
	if m.in.Offsets != nil {
		m.rows /= max(w[0], 1)
		w = w[1:]
	}
	m.k, m.n = w[0], w[1]
	if m.spec.TransB {
		m.k, m.n = m.n, m.k
	}
	return true
}

package lower

import (
	"slices"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// Experts lowers the products of experts such that each expert stays whole: the rows are
// split once by expert, every expert computes its products and everything elementwise
// between them on its own part, and the results are joined once. Without it every single
// product splits and joins.
//
// A compact graph does not grow with the number of experts: it loops over those that have
// rows, and picks their weights at run time.
func Experts(g *graph.Graph, compact bool) (*graph.Graph, error) {
	dst := graph.New(g.Name)
	e := &experts{c: graph.NewCopier(dst, nil), compact: compact, parts: map[*graph.Value]*parts{}, counts: map[*graph.Value]*graph.Value{}}
	e.c.Names = true
	g.CopyInputs(e.c)
	for _, n := range g.Nodes {
		if !e.node(n) {
			n.Reads(e.join)
			e.c.Node(n)
		}
	}
	for _, v := range g.Outputs {
		e.join(v)
	}
	g.CopyOutputs(e.c)
	return dst, dst.Err()
}

type experts struct {
	c       *graph.Copier
	compact bool
	parts   map[*graph.Value]*parts       // by value of the source
	counts  map[*graph.Value]*graph.Value // rows of each expert, by the offsets in the source
}

// parts are a value's rows by expert, in the destination.
type parts struct {
	offsets *graph.Value   // of the source
	rows    *graph.Value   // what was split, in the destination; nil for vectors
	of      []*graph.Value // rows [·, D] of each expert, or one vector [1, D] for all of them
	joined  bool

	node *graph.Node // of a compact graph: what computes the rows of one expert, in the source
}

// node takes over a node that works expert by expert.
func (e *experts) node(n *graph.Node) bool {
	switch {
	case n.Domain == graph.Domain && n.Op == "GroupedMatMul" && n.Int("partial", 0) == 0:
		e.product(n)
		return true
	case n.Domain == graph.Domain && n.Op == "ExpertRows":
		return e.vectors(n)
	case elementwise[n.Op]:
		return e.each(n)
	}
	return false
}

// product gives every expert a product of its own.
func (e *experts) product(n *graph.Node) {
	if e.compact {
		e.later(n)
		return
	}
	x := e.split(n.Inputs[0], n.Inputs[1], n.Inputs[2])
	defer x.rows.Graph().Scope(n.Name)()
	w, scale := e.c.Value(n.Inputs[1]), e.c.Value(scaleOf(n))
	y := &parts{offsets: x.offsets, rows: x.rows}
	for i, rows := range x.of {
		y.of = append(y.of, op.MatMul(rows, op.ExpertMatrix(w, scale, int64(i), n.Int("transB", 0) == 1)))
	}
	e.parts[n.Outputs[0]] = y
}

// scaleOf are the scales of a product's matrices, nil when they have none.
func scaleOf(n *graph.Node) *graph.Value {
	if len(n.Inputs) > 3 {
		return n.Inputs[3]
	}
	return nil
}

// split answers the rows of x by expert.
func (e *experts) split(x, w, offsets *graph.Value) *parts {
	if p := e.parts[x]; p != nil && p.offsets == offsets && p.rows != nil {
		return p
	}
	e.join(x)
	rows := e.c.Value(x)
	n, _ := w.Dim(0).Int()
	p := &parts{offsets: offsets, rows: rows, of: op.SplitSizes(rows, e.rowsOf(offsets), 0, int(n)), joined: true}
	e.parts[x] = p
	return p
}

// rowsOf is how many rows each expert has, int64 [E].
func (e *experts) rowsOf(offsets *graph.Value) *graph.Value {
	counts := e.counts[offsets]
	if counts == nil {
		e.join(offsets)
		o := e.c.Value(offsets)
		counts = op.Sub(op.Slice(o, 0, 1, toEnd), op.Slice(o, 0, 0, -1))
		e.counts[offsets] = counts
	}
	return counts
}

// toEnd as an end means "to the end of the axis".
const toEnd = 1<<63 - 1

// vectors are a bias or a gain of each expert. They are used as they are beside rows, so
// the rows of the whole value are only made when something else asks for them.
func (e *experts) vectors(n *graph.Node) bool {
	v, offsets := n.Inputs[0], n.Inputs[1]
	count, ok := v.Dim(0).Int()
	if !ok {
		return false
	}
	n.Reads(e.join)
	e.c.Node(n)
	p := &parts{offsets: offsets, joined: true, node: n}
	all := e.c.Value(v)
	for i := range count {
		p.of = append(p.of, op.Slice(all, 0, i, i+1))
	}
	e.parts[n.Outputs[0]] = p
	return true
}

// elementwise operators treat every row alike.
var elementwise = map[string]bool{
	"Add": true, "Sub": true, "Mul": true, "Div": true, "Pow": true, "Neg": true, "Abs": true, "Sqrt": true, "Exp": true, "Log": true,
	"Relu": true, "LeakyRelu": true, "Sigmoid": true, "Tanh": true, "Softplus": true, "Erf": true, "Max": true, "Min": true,
	"SiLU": true, "SiLUGate": true, "Gelu": true,
}

// each applies an elementwise operator to every expert's rows, when all operands are parts
// of one split, vectors of experts, or the same for all rows.
func (e *experts) each(n *graph.Node) bool {
	var lead *parts
	for _, v := range n.Inputs {
		if p := e.parts[v]; p != nil && p.rows != nil {
			lead = p
		}
	}
	if lead == nil || len(n.Outputs) != 1 || n.Outputs[0].Rank() != 2 {
		return false
	}
	for _, v := range n.Inputs {
		if p := e.parts[v]; p != nil && p.offsets == lead.offsets && (p.rows == nil || p.rows == lead.rows) {
			continue
		}
		if v == nil || !sameForAllRows(v) {
			return false
		}
	}
	entry, err := graph.Lookup(n.Domain, n.Op)
	if err != nil {
		return false
	}
	if e.compact {
		e.parts[n.Outputs[0]] = &parts{offsets: lead.offsets, rows: lead.rows, node: n}
		return true
	}
	defer lead.rows.Graph().Scope(n.Name)()
	y := &parts{offsets: lead.offsets, rows: lead.rows}
	for i := range lead.of {
		in := make([]*graph.Value, len(n.Inputs))
		for j, v := range n.Inputs {
			if p := e.parts[v]; p != nil {
				in[j] = p.of[i]
			} else {
				in[j] = e.c.Value(v)
			}
		}
		y.of = append(y.of, lead.of[i].Graph().Apply(entry, n.Attrs, 1, in...)[0])
	}
	e.parts[n.Outputs[0]] = y
	return true
}

// sameForAllRows reports whether broadcasting meets every row with the same numbers.
func sameForAllRows(v *graph.Value) bool { return v.Rank() < 2 || v.Rank() == 2 && v.Dim(0).Is(1) }

// join makes the whole value of parts, for a reader that does not work by expert.
func (e *experts) join(v *graph.Value) {
	p := e.parts[v]
	if p == nil || p.joined {
		return
	}
	p.joined = true
	if e.compact {
		e.c.Map(v, e.loop(v, p))
		return
	}
	y := op.Concat(0, slices.Clone(p.of)...)
	if width, ok := v.Dim(1).Int(); ok && !y.Dim(0).Equal(p.rows.Dim(0)) { // inference cannot see through the split
		y = op.ReshapeTo(y, op.Concat(0, op.Slice(op.ShapeOf(p.rows), 0, 0, 1), y.Graph().Int64s(width)))
	}
	e.c.Map(v, y)
}

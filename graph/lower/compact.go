package lower

import (
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// later puts a product off until its result is asked for.
func (e *experts) later(n *graph.Node) {
	x, offsets := n.Inputs[0], n.Inputs[2]
	p := &parts{offsets: offsets, node: n}
	if q := e.parts[x]; q != nil && q.offsets == offsets && q.rows != nil {
		p.rows = q.rows
	} else {
		e.join(x)
		p.rows = e.c.Value(x)
	}
	e.parts[n.Outputs[0]] = p
}

// loop computes a value that was put off: a turn for every expert that has rows, which
// writes its rows of the result.
func (e *experts) loop(v *graph.Value, p *parts) *graph.Value {
	e.prepare(v)
	g := p.rows.Graph()
	defer g.Scope(v.Name)()
	counts, offsets := e.rowsOf(p.offsets), e.c.Value(p.offsets)
	present := op.Squeeze(op.NonZero(counts), 0)
	width, _ := v.Dim(1).Int()
	count := op.Slice(op.ShapeOf(p.rows), 0, 0, 1) // int64 [1]
	all := op.Range(g.Int64(0), op.Squeeze(count, 0), g.Int64(1))
	blank := op.ConstantOfShape(op.Concat(0, count, g.Int64s(width)), graph.Floats([]int{1}, 0))
	final, _ := op.Loop(op.Squeeze(op.ShapeOf(present), 0), nil, func(_ *graph.Graph, turn, again *graph.Value, states []*graph.Value) (*graph.Value, []*graph.Value, []*graph.Value) {
		expert := op.Gather(present, turn, 0)
		from, own := op.Unsqueeze(op.Gather(offsets, expert, 0), 0), op.Unsqueeze(op.Gather(counts, expert, 0), 0)
		behind := op.Sub(op.Sub(count, from), own)
		rows := op.SplitSizes(all, op.Concat(0, from, own, behind), 0, 3)[1]
		t := turnOf{experts: e, expert: expert, rows: rows, done: map[*graph.Value]*graph.Value{}}
		return again, []*graph.Value{op.ScatterND(states[0], op.Unsqueeze(rows, 1), t.value(v), "none")}, nil
	}, []*graph.Value{blank})
	return final[0]
}

// prepare computes, outside of the loop, what the turns read.
func (e *experts) prepare(v *graph.Value) {
	p := e.parts[v]
	if p == nil || p.node == nil {
		e.join(v)
		return
	}
	for _, in := range p.node.Inputs {
		if in != nil {
			e.prepare(in)
		}
	}
}

// turnOf is one expert's turn of a loop.
type turnOf struct {
	*experts
	expert, rows *graph.Value // the expert, a scalar, and the numbers of its rows
	done         map[*graph.Value]*graph.Value
}

// value is one expert's share of a value of the source.
func (t turnOf) value(v *graph.Value) *graph.Value {
	if w := t.done[v]; w != nil {
		return w
	}
	w := t.compute(v)
	t.done[v] = w
	return w
}

func (t turnOf) compute(v *graph.Value) *graph.Value {
	p := t.parts[v]
	if p == nil || p.node == nil {
		return t.c.Value(v) // the same for all rows
	}
	n := p.node
	switch n.Op {
	case "ExpertRows":
		return op.Gather(t.c.Value(n.Inputs[0]), t.expert, 0)
	case "GroupedMatMul":
		w := op.Gather(t.c.Value(n.Inputs[1]), t.expert, 0)
		if n.Int("transB", 0) == 1 {
			w = op.Transpose(w, 1, 0)
		}
		scale := t.c.Value(scaleOf(n))
		if scale != nil {
			scale = op.Gather(scale, t.expert, 0)
		}
		return op.MatMul(t.rowsOfInput(n.Inputs[0], n.Inputs[2]), op.Wide(w, scale, 1))
	}
	in := make([]*graph.Value, len(n.Inputs))
	for i, v := range n.Inputs {
		in[i] = t.value(v)
	}
	entry, err := graph.Lookup(n.Domain, n.Op)
	if err != nil {
		t.expert.Graph().Fail(err)
		return in[0]
	}
	return t.expert.Graph().Apply(entry, n.Attrs, 1, in...)[0]
}

// rowsOfInput are the expert's rows of a product's input.
func (t turnOf) rowsOfInput(x, offsets *graph.Value) *graph.Value {
	if p := t.parts[x]; p != nil && p.node != nil && p.offsets == offsets && p.rows != nil {
		return t.value(x)
	}
	return op.Gather(t.c.Value(x), t.rows, 0)
}

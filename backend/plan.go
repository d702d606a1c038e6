package backend

import (
	"fmt"
	"sort"

	"github.com/moezoo/moezoo/graph"
)

// Plan fixes everything about a graph that can be known before it runs: the order of
// nodes, where each value lies in one arena, which outputs overwrite an input, and how
// much temporary memory kernels need.
type Plan struct {
	Graph *graph.Graph // all sizes are numbers
	Nodes []*graph.Node
	Place map[*graph.Value]Place
	// Arena is the size in bytes of the memory shared by all intermediate values, and
	// Scratch that of the largest kernel's temporary memory.
	Arena, Scratch int
}

// Where says what kind of memory a value has.
type Where uint8

// Kinds of memory.
const (
	Nowhere  Where = iota // nothing reads this further output: kernels skip it
	InArena               // at Offset
	Constant              // Data
	External              // bound by the caller under the name of Root
)

// Place is where a value lies. Values that are views or in-place results of others have
// the same root.
type Place struct {
	Where  Where
	Root   *graph.Value
	Offset int           // in the arena
	Data   *graph.Tensor // of a constant
}

// NewPlan binds the symbols of g to sizes and plans it for a device.
func NewPlan(g *graph.Graph, sizes map[string]int64, d Device) (*Plan, error) {
	bound, err := g.Bind(sizes)
	if err != nil {
		return nil, err
	}
	bound.Prune()
	if err := allNumbers(bound); err != nil {
		return nil, err
	}
	p := &planner{
		Plan: &Plan{Graph: bound, Place: map[*graph.Value]Place{}}, device: d,
		root: map[*graph.Value]*graph.Value{}, external: map[*graph.Value]bool{}, lastUse: map[*graph.Value]int{},
	}
	if err := p.selectNodes(); err != nil {
		return nil, err
	}
	p.assignRoots()
	p.layout()
	p.measureScratch()
	return p.Plan, nil
}

// Bytes is the memory that the plan needs besides what the caller binds.
func (p *Plan) Bytes() int { return p.Arena + p.Scratch }

// allNumbers refuses a graph in which a size is still a symbol.
func allNumbers(g *graph.Graph) error {
	check := func(v *graph.Value) error {
		if v == nil {
			return nil
		}
		if _, ok := v.Type.Shape.Ints(); !ok || !v.Known() {
			return fmt.Errorf("%v: a plan needs every size as a number", v)
		}
		if n, ok := v.Type.Shape.Elements().Int(); !ok || n < 0 || n > maxElements {
			return fmt.Errorf("%v: more than %d elements", v, int64(maxElements))
		}
		return nil
	}
	for _, v := range g.Inputs {
		if err := check(v); err != nil {
			return err
		}
	}
	for _, n := range g.Nodes {
		for _, v := range n.Outputs {
			if err := check(v); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxElements bounds one tensor, so that byte sizes never overflow an int.
const maxElements = 1 << 48

type planner struct {
	*Plan
	device   Device
	root     map[*graph.Value]*graph.Value
	external map[*graph.Value]bool // inputs, parameters and outputs
	lastUse  map[*graph.Value]int  // of a root: index of the last node that reads it
	born     map[*graph.Value]int  // of a root: index of the node that writes it first
	extent   map[*graph.Value]int  // of a root: bytes
}

// selectNodes keeps the nodes that must run: those whose results are not constants
// that inference already knows.
func (p *planner) selectNodes() error {
	for _, n := range p.Graph.Nodes {
		if folded := p.fold(n); folded {
			continue
		}
		if err := p.device.Supports(n); err != nil {
			return fmt.Errorf("%s: %w", n.Name, err)
		}
		p.Nodes = append(p.Nodes, n)
	}
	return nil
}

// fold turns a node whose only output is a small known integer tensor into a constant.
func (p *planner) fold(n *graph.Node) bool {
	if len(n.Outputs) != 1 || n.Outputs[0].Type.DType != graph.Int64 {
		return false
	}
	v := n.Outputs[0]
	content, ok := v.Content()
	if !ok || p.isOutput(v) {
		return false
	}
	ints := make([]int64, len(content))
	for i, d := range content {
		if ints[i], ok = d.Int(); !ok {
			return false
		}
	}
	shape, _ := v.Type.Shape.Ints()
	p.Place[v] = Place{Where: Constant, Root: v, Data: graph.Ints(shape, ints...)}
	return true
}

func (p *planner) isOutput(v *graph.Value) bool {
	for _, o := range p.Graph.Outputs {
		if o == v {
			return true
		}
	}
	return false
}

// rootOf follows views and in-place results to the value that owns the memory.
func (p *planner) rootOf(v *graph.Value) *graph.Value {
	if r, ok := p.root[v]; ok {
		return r
	}
	return v
}

// assignRoots decides who owns each value's memory, walking the nodes in order.
func (p *planner) assignRoots() {
	for _, v := range p.Graph.Inputs {
		p.external[v] = true
	}
	for _, q := range p.Graph.Params {
		p.external[q.Value] = true
	}
	uses := map[*graph.Value]int{} // reads still to come, by value
	for _, n := range p.Nodes {
		n.Reads(func(v *graph.Value) { uses[v]++ })
	}
	for _, v := range p.Graph.Outputs {
		p.external[v] = true
	}
	pending := map[*graph.Value]int{} // reads still to come, by root
	p.born, p.extent = map[*graph.Value]int{}, map[*graph.Value]int{}
	for i, n := range p.Nodes {
		op, _ := graph.Lookup(n.Domain, n.Op)
		for j, out := range n.Outputs {
			if uses[out] == 0 && !p.external[out] && j > 0 {
				continue // Nowhere; first outputs always have memory, so that kernels need not ask
			}
			r := p.takeOver(n, op, j, pending)
			p.root[out] = r
			if r == out {
				p.born[r] = i
				p.extent[r] = bytesOf(out)
			}
			pending[r] += uses[out]
		}
		n.Reads(func(v *graph.Value) {
			r := p.rootOf(v)
			pending[r]--
			p.lastUse[r] = i
		})
		for _, out := range n.Outputs {
			if r, ok := p.root[out]; ok {
				p.lastUse[r] = max(p.lastUse[r], i)
			}
		}
	}
	p.place()
}

// takeOver is the root whose memory output j of n takes: that of an input that it is a
// view of or may overwrite, else its own.
func (p *planner) takeOver(n *graph.Node, op *graph.Op, j int, pending map[*graph.Value]int) *graph.Value {
	out := n.Outputs[j]
	if p.external[out] {
		return out // the caller's memory; a view is copied into it
	}
	if op.View && j == 0 {
		if r := p.rootOf(n.Inputs[0]); p.isTensor(n.Inputs[0]) {
			return r
		}
		return out
	}
	if j >= len(op.InPlace) || op.InPlace[j] < 0 || op.InPlace[j] >= len(n.Inputs) {
		return out
	}
	in := n.Inputs[op.InPlace[j]]
	if in == nil || !p.isTensor(in) {
		return out
	}
	r := p.rootOf(in)
	reads := 0
	n.Reads(func(v *graph.Value) {
		if p.rootOf(v) == r {
			reads++
		}
	})
	if p.external[r] || pending[r] != reads || reads != 1 || bytesOf(in) != bytesOf(out) || p.taken(n, j, r) {
		return out
	}
	return r
}

// taken reports whether an earlier output of the node already took over the root.
func (p *planner) taken(n *graph.Node, j int, r *graph.Value) bool {
	for _, out := range n.Outputs[:j] {
		if q, ok := p.root[out]; ok && q == r {
			return true
		}
	}
	return false
}

// isTensor reports whether the value has memory of its own kind rather than being a
// constant.
func (p *planner) isTensor(v *graph.Value) bool {
	return v.Data() == nil && p.Place[v].Where != Constant
}

func bytesOf(v *graph.Value) int {
	n, _ := v.Type.Shape.Elements().Int()
	return int(n) * v.Type.DType.Size()
}

// place records where every value lies; offsets follow in layout.
func (p *planner) place() {
	at := func(v *graph.Value) {
		if v == nil {
			return
		}
		if _, done := p.Place[v]; done {
			return
		}
		r, owned := p.root[v]
		switch {
		case v.Data() != nil:
			p.Place[v] = Place{Where: Constant, Root: v, Data: v.Data()}
		case p.external[p.rootOf(v)]:
			p.Place[v] = Place{Where: External, Root: p.rootOf(v)}
		case owned:
			p.Place[v] = Place{Where: InArena, Root: r}
		default:
			p.Place[v] = Place{}
		}
	}
	for _, n := range p.Nodes {
		for _, v := range n.Inputs {
			at(v)
		}
		for _, v := range n.Outputs {
			at(v)
		}
	}
	for _, v := range p.Graph.Outputs {
		at(v)
	}
	for _, v := range p.Graph.Inputs {
		at(v)
	}
}

// layout gives every arena root an offset such that roots alive at the same time do not
// overlap: largest first, each at the lowest offset that is free over its whole life.
func (p *planner) layout() {
	var roots []*graph.Value
	for r := range p.born {
		if !p.external[r] {
			roots = append(roots, r)
		}
	}
	sort.Slice(roots, func(i, j int) bool {
		a, b := roots[i], roots[j]
		if p.extent[a] != p.extent[b] {
			return p.extent[a] > p.extent[b]
		}
		if p.born[a] != p.born[b] {
			return p.born[a] < p.born[b]
		}
		return a.Index() < b.Index()
	})
	offset := map[*graph.Value]int{}
	var placed []*graph.Value // by offset
	for _, r := range roots {
		size, at := roundUp(p.extent[r]), 0
		for _, q := range placed {
			if p.lastUse[q] < p.born[r] || p.lastUse[r] < p.born[q] {
				continue
			}
			if offset[q] >= at+size {
				break
			}
			at = max(at, offset[q]+roundUp(p.extent[q]))
		}
		offset[r] = at
		p.Arena = max(p.Arena, at+size)
		i := sort.Search(len(placed), func(i int) bool { return offset[placed[i]] > at })
		placed = append(placed, nil)
		copy(placed[i+1:], placed[i:])
		placed[i] = r
	}
	for v, place := range p.Place {
		if place.Where == InArena {
			place.Offset = offset[place.Root]
			p.Place[v] = place
		}
	}
}

func roundUp(n int) int { return (n + Align - 1) / Align * Align }

// measureScratch finds the largest temporary memory of any kernel.
func (p *planner) measureScratch() {
	for _, n := range p.Nodes {
		p.Scratch = max(p.Scratch, p.device.Scratch(p.call(n)))
	}
	p.Scratch = roundUp(p.Scratch)
}

// call describes a node by shapes alone, without memory.
func (p *Plan) call(n *graph.Node) *Call {
	c := &Call{Node: n}
	for _, v := range n.Inputs {
		if v == nil {
			c.In = append(c.In, nil)
			continue
		}
		c.In = append(c.In, p.tensor(v))
	}
	for _, v := range n.Outputs {
		c.Out = append(c.Out, p.tensor(v))
	}
	return c
}

func (p *Plan) tensor(v *graph.Value) *Tensor {
	shape, _ := v.Type.Shape.Ints()
	return &Tensor{DType: v.Type.DType, Shape: shape}
}

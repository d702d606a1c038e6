package graph

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
)

// Hash identifies what the graph computes and how it is bound: operators, attributes,
// connections, types, constants, and the names of inputs, parameters and states, but not
// those of nodes and values inside.
func (g *Graph) Hash() string {
	h := sha256.New()
	w := &hasher{w: h, id: map[*Value]int{}}
	w.graph(g)
	return hex.EncodeToString(h.Sum(nil))
}

type hasher struct {
	w  io.Writer
	id map[*Value]int
}

func (h *hasher) define(v *Value) {
	if _, ok := h.id[v]; !ok {
		h.id[v] = len(h.id)
	}
}

func (h *hasher) graph(g *Graph) {
	fmt.Fprintf(h.w, "graph %d\n", len(g.Inputs))
	for _, v := range g.Inputs {
		h.define(v)
		fmt.Fprintf(h.w, "in %q %v\n", v.Name, v.Type)
	}
	for _, p := range g.Params {
		h.define(p.Value)
		fmt.Fprintf(h.w, "param %q %v %v %v\n", p.Value.Name, p.Value.Type, p.Decay, p.Frozen)
	}
	for _, n := range g.Nodes {
		fmt.Fprintf(h.w, "node %s.%s", n.Domain, n.Op)
		for _, v := range n.Inputs {
			h.use(v)
		}
		for _, name := range n.Attrs.Names() {
			h.attr(name, n.Attrs[name])
		}
		fmt.Fprintf(h.w, " -> %d\n", len(n.Outputs))
		for _, v := range n.Outputs {
			h.define(v)
		}
	}
	for _, v := range g.Outputs {
		fmt.Fprint(h.w, "out ")
		h.use(v)
	}
	for _, s := range g.States {
		fmt.Fprintf(h.w, "state %q %v", s.Name, s.Fill)
		h.use(s.In)
		h.use(s.Out)
	}
}

func (h *hasher) use(v *Value) {
	switch {
	case v == nil:
		fmt.Fprint(h.w, " -")
	case v.data != nil:
		h.tensor(v.data)
	default:
		fmt.Fprintf(h.w, " %d", h.id[v])
	}
}

func (h *hasher) tensor(t *Tensor) {
	sum := sha256.Sum256(t.Data)
	fmt.Fprintf(h.w, " %v%v:%x", t.DType, t.Shape, sum)
}

func (h *hasher) attr(name string, a any) {
	fmt.Fprintf(h.w, " %s=", name)
	switch a := a.(type) {
	case *Graph:
		h.graph(a)
	case *Tensor:
		h.tensor(a)
	default:
		fmt.Fprintf(h.w, "%v", a)
	}
}

package backend

import (
	"fmt"
	"strings"

	"github.com/moezoo/moezoo/graph"
)

// Step is one line of a plan's description.
type Step struct {
	Op     string `json:"op"` // with its domain when that is the project's own
	Name   string `json:"name"`
	Result string `json:"result"` // types of the outputs that something reads
	Memory string `json:"memory"` // where the first output lies
	Bytes  int    `json:"bytes"`  // that the outputs need of the arena
}

// Steps describes the plan in the order in which it runs.
func (p *Plan) Steps() []Step {
	steps := make([]Step, 0, len(p.Nodes))
	for _, n := range p.Nodes {
		s := Step{Op: n.Op, Name: n.Name}
		if n.Domain != "" {
			s.Op = n.Domain + "." + n.Op
		}
		s.Op += epilogue(n)
		var results []string
		for _, v := range n.Outputs {
			place := p.Place[v]
			if place.Where == Nowhere {
				continue
			}
			results = append(results, v.Type.String())
			if place.Where == InArena && place.Root == v {
				s.Bytes += bytesOf(v)
			}
			if s.Memory == "" {
				s.Memory = p.memory(v)
			}
		}
		s.Result = strings.Join(results, " ")
		steps = append(steps, s)
	}
	return steps
}

// epilogue names what a product does with its elements.
func epilogue(n *graph.Node) string {
	if n.Domain != graph.Domain || n.Op != "Product" {
		return ""
	}
	text := ""
	if len(n.Inputs) > 3 && n.Inputs[3] != nil {
		text = " + bias"
	}
	if e := n.Str("epilogue", ""); e != "" {
		text += " + " + e
	}
	return text
}

// memory says where a value lies.
func (p *Plan) memory(v *graph.Value) string {
	place := p.Place[v]
	switch {
	case place.Where == External && place.Root == v:
		return "output"
	case p.view(v):
		return "view of " + place.Root.Name
	case place.Root != v && place.Root != nil:
		return "over " + place.Root.Name
	default:
		return fmt.Sprintf("arena+%d", place.Offset)
	}
}

// view reports whether v is its producer's first input under another shape.
func (p *Plan) view(v *graph.Value) bool {
	n := v.Node()
	op, err := graph.Lookup(n.Domain, n.Op)
	return err == nil && op.View && v.Index() == 0 && p.Place[v].Root != v
}

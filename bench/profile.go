package bench

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/moezoo/moezoo/graph"
)

// Operator is what one kind of node took in a training step.
type Operator struct {
	Name   string  `json:"operator"`
	Count  int     `json:"count"`
	Ms     float64 `json:"ms"`
	Share  float64 `json:"share"` // of all nodes' time
	GFLOPS float64 `json:"gflop_per_s,omitempty"`
}

// profile gathers the times of nodes.
type profile struct {
	byOperator map[string]*Operator
	flops      map[string]float64
	operations float64                  // of all nodes
	frames     map[string]time.Duration // by path: pass; layer; block; operator
}

func newProfile() *profile {
	return &profile{byOperator: map[string]*Operator{}, flops: map[string]float64{}, frames: map[string]time.Duration{}}
}

func (p *profile) add(n *graph.Node, took time.Duration) {
	name := operatorName(n)
	o := p.byOperator[name]
	if o == nil {
		o = &Operator{Name: name}
		p.byOperator[name] = o
	}
	o.Count++
	o.Ms += milliseconds(took)
	f := operations(n)
	p.flops[name] += f
	p.operations += f
	p.frames[frame(n)] += took
}

func operatorName(n *graph.Node) string {
	if n.Domain != "" {
		return n.Domain + "." + n.Op
	}
	return n.Op
}

// frame is the place of a node in the model: the pass, the layer, its block, the operator.
func frame(n *graph.Node) string {
	path := strings.Split(n.Name, "/")
	pass := "forward"
	if path[0] == "sum" {
		path = path[1:]
	}
	if path[0] == "grad" || path[0] == "gradient" { // a node on the way, or a parameter's gradient itself
		pass, path = "backward", path[1:]
	} else if strings.HasPrefix(n.Name, "next") || n.Op == "AdamW" || n.Op == "GlobalNorm" {
		return "update;" + n.Op
	}
	parts := []string{pass}
	for _, s := range path[:max(len(path)-1, 0)] {
		if len(parts) < 3 {
			parts = append(parts, s)
		}
	}
	return strings.Join(append(parts, n.Op), ";")
}

// operators lists them, the dearest first.
func (p *profile) operators() []Operator {
	var all []Operator
	total := 0.0
	for _, o := range p.byOperator {
		total += o.Ms
	}
	for name, o := range p.byOperator {
		o.Share = o.Ms / total
		o.GFLOPS = p.flops[name] / o.Ms / 1e6
		all = append(all, *o)
	}
	slices.SortFunc(all, func(a, b Operator) int { return cmp.Or(-cmp.Compare(a.Ms, b.Ms), cmp.Compare(a.Name, b.Name)) })
	return all
}

// milliseconds are the frames' times.
func (p *profile) milliseconds() map[string]float64 {
	out := map[string]float64{}
	for path, took := range p.frames {
		out[path] = milliseconds(took)
	}
	return out
}

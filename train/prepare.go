package train

import (
	"fmt"
	"strings"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/hoist"
	"github.com/moezoo/moezoo/graph/pack"
)

// microPlans are the plans of a step's micro-batches.
type microPlans struct {
	first     *backend.Plan
	following *backend.Plan // adds to the gradients of the first; nil when a step has one micro-batch
	once      *backend.Plan // in front of the first; nil when there is nothing to prepare
	prepared  int           // bytes of what it makes
}

// planned plans micro-batches as they are; following may be nil.
func planned(d backend.Device, first, following *graph.Graph) (m microPlans, err error) {
	if m.first, err = backend.NewPlan(first, nil, d); err == nil && following != nil {
		m.following, err = backend.NewPlan(following, nil, d)
	}
	return m, err
}

// prepared takes out of the micro-batches' graphs what depends on weights alone: they change
// once in a step.
func prepared(d backend.Device, first, following *graph.Graph) (microPlans, error) {
	once, first, err := split(d, first)
	if err != nil {
		return microPlans{}, err
	}
	_, following, err = split(d, following)
	if err != nil {
		return microPlans{}, err
	}
	if err := readsNoMore(following, once); err != nil {
		return microPlans{}, err
	}
	m, err := planned(d, first, following)
	if err != nil || len(once.Outputs) == 0 {
		return m, err
	}
	for _, v := range once.Outputs {
		n, _ := v.Shape().Elements().Int()
		m.prepared += int(n) * v.Type.DType.Size()
	}
	m.once, err = backend.NewPlan(once, nil, d)
	return m, err
}

// split divides a micro-batch's graph, its weights in the device's panels, into what depends
// on weights alone and the rest.
func split(d backend.Device, g *graph.Graph) (once, each *graph.Graph, err error) {
	if p, ok := d.(backend.Packer); ok {
		if g, err = pack.Graph(g, p.PanelWidth(), p.Packs); err != nil {
			return nil, nil, err
		}
	}
	return hoist.Split(g)
}

// readsNoMore reports an error unless everything prepared that g reads is an output of once.
func readsNoMore(g, once *graph.Graph) error {
	made := map[string]bool{}
	for _, v := range once.Outputs {
		made[v.Name] = true
	}
	for _, v := range g.Inputs {
		if strings.HasPrefix(v.Name, hoist.Prefix) && !made[v.Name] {
			return fmt.Errorf("%q is prepared for the first micro-batch of a step in another form", v.Name)
		}
	}
	return nil
}

// arena is the memory that the programs share.
func (m microPlans) arena() int {
	n := 0
	for _, p := range []*backend.Plan{m.first, m.following, m.once} {
		if p != nil {
			n = max(n, p.Bytes())
		}
	}
	return n
}

// bytes is the arena with what is prepared.
func (m microPlans) bytes() int { return m.arena() + m.prepared }

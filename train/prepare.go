package train

import (
	"fmt"
	"strings"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/hoist"
	"github.com/moezoo/moezoo/graph/pack"
)

// microPlan is a micro-batch as plans.
type microPlan struct {
	each     *backend.Plan
	once     *backend.Plan // in front of a step's first; nil when there is nothing to prepare
	prepared int           // bytes of what it makes
}

// prepared takes out of a micro-batch's graph what depends on weights alone: they change once
// in a step.
func prepared(g *graph.Graph, d backend.Device) (microPlan, error) {
	if p, ok := d.(backend.Packer); ok {
		var err error
		if g, err = pack.Graph(g, p.PanelWidth(), p.Packs); err != nil {
			return microPlan{}, err
		}
	}
	once, each, err := hoist.Split(g)
	if err != nil {
		return microPlan{}, err
	}
	m := microPlan{}
	if m.each, err = backend.NewPlan(each, nil, d); err != nil || len(once.Outputs) == 0 {
		return m, err
	}
	for _, v := range once.Outputs {
		n, _ := v.Shape().Elements().Int()
		m.prepared += int(n) * v.Type.DType.Size()
	}
	m.once, err = backend.NewPlan(once, nil, d)
	return m, err
}

// arena is the memory that the programs share.
func (m microPlan) arena() int {
	if m.once == nil {
		return m.each.Bytes()
	}
	return max(m.each.Bytes(), m.once.Bytes())
}

// bytes is the arena with what is prepared.
func (m microPlan) bytes() int { return m.arena() + m.prepared }

// readsNoMoreThan reports an error unless everything prepared that m reads is also prepared
// for first, whose program makes it for both.
func (m microPlan) readsNoMoreThan(first microPlan) error {
	made := map[string]bool{}
	if first.once != nil {
		for _, v := range first.once.Graph.Outputs {
			made[v.Name] = true
		}
	}
	for _, v := range m.each.Graph.Inputs {
		if strings.HasPrefix(v.Name, hoist.Prefix) && !made[v.Name] {
			return fmt.Errorf("%q is prepared for the first micro-batch of a step in another form", v.Name)
		}
	}
	return nil
}

package train

import (
	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
)

// Estimate is the memory in bytes that an Engine and its Evaluator will take: buffers,
// arenas and temporary memory. Nothing is allocated.
func Estimate(t *Task, o Optimizer, s Sizes, d backend.Device) (int, error) {
	e := &Engine{device: d, sizes: s, buffers: map[string]backend.Buffer{}}
	total := 0
	for _, p := range t.Train.Params {
		n, _ := p.Value.Shape().Elements().Int()
		total += int(n) * 4
		if !p.Frozen {
			e.params = append(e.params, p)
			total += 3 * int(n) * 4 // gradient and both moments
		}
	}
	g, err := e.gradientGraph(t, false)
	if err != nil {
		return 0, err
	}
	for _, h := range []*graph.Graph{g, t.Eval} {
		plan, err := backend.NewPlan(h, e.symbols(), d)
		if err != nil {
			return 0, err
		}
		total += plan.Bytes()
	}
	return total, nil
}

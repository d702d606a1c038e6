package zoo_test

import (
	"context"
	"math"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/graph"
	engine "github.com/moezoo/moezoo/train"
)

var initZero = graph.Init{Scheme: "zeros"}

// TestGradientsOfEveryArchitecture compares a few elements of every parameter's gradient
// with central differences of the float32 loss, which are good to about a hundredth of the
// largest element.
func TestGradientsOfEveryArchitecture(t *testing.T) {
	for _, name := range debugRecipes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := build(t, name)
			task, err := m.Task()
			if err != nil {
				t.Fatal(err)
			}
			d := cpu.New(1)
			defer d.Close()
			e, err := engine.NewEngine(task, engine.Optimizer{}, engine.Sizes{Batch: 2, Context: 16, Accumulate: 1}, d)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			if err := e.Initialise(task.Train.Params, task.Init); err != nil {
				t.Fatal(err)
			}
			in, targets := e.Batch()
			for i := range in {
				in[i], targets[i] = ids(32)[i], ids(33)[i+1]
			}
			loss := func() float64 {
				if err := e.Accumulate(context.Background(), 0, [2]int64{}); err != nil {
					t.Fatal(err)
				}
				out := math.NaN()
				e.Report(func(name string, v []float64) {
					if name == "loss" {
						out = v[0]
					}
				})
				return out
			}
			loss()
			for _, p := range task.Train.Params {
				name := p.Value.Name
				g, err := e.Tensor("gradient/" + name)
				if err != nil {
					t.Fatal(err)
				}
				w, _ := e.Tensor(name)
				largest, top := 0.0, 0
				for i, x := range g.F32() {
					if a := math.Abs(float64(x)); a > largest {
						largest, top = a, i
					}
				}
				const h = 5e-4 // embeddings start near 0.02, where norms are curved
				at := func(delta float32) float64 {
					old := w.F32()[top]
					w.F32()[top] += delta
					if err := e.SetTensor(name, w); err != nil {
						t.Fatal(err)
					}
					w.F32()[top] = old
					return loss()
				}
				want := (at(h) - at(-h)) / (2 * h)
				at(0)
				if math.Abs(float64(g.F32()[top])-want) > 0.05*largest+1e-3 {
					t.Errorf("%s: largest gradient %v, difference quotient %v", name, g.F32()[top], want)
				}
			}
		})
	}
}

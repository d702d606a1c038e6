package check

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/zoo"
)

// Where two experts are chosen with the same score but for rounding, another order of the same
// sums takes another expert, and everything behind it differs. That says nothing about a model's
// form, so a comparison that fails there is made with other tokens.
const (
	tieNudge  = 1e-5 // by which part routers' weights are moved: more than rounding adds up to, and far below what tokens differ by
	tieNudges = 8    // a tie falls either way, each time with a chance of about a half
)

// hangs tells whether the logits at a position of the whole sequences change by about as much as
// the difference that was found when the routers' weights are moved by the size of rounding. The weights
// are as before afterwards.
func hangs(ctx context.Context, t *zoo.Trained, ids []int64, want []float32, batch int, a apartness) (hung bool, err error) {
	task, err := t.Task()
	if err != nil {
		return false, err
	}
	before := map[string]*backend.Tensor{}
	for _, p := range task.Train.Params {
		name := p.Value.Name
		if w := t.Weight(name); strings.Contains(name, "/router/") && w != nil && w.DType == graph.Float32 {
			before[name] = w
		}
	}
	if len(before) == 0 {
		return false, nil
	}
	defer func() {
		for name, w := range before {
			if e := t.Weights.Buffer(name).Upload(nil, w); err == nil {
				err = e
			}
		}
	}()
	rng := rand.New(rand.NewPCG(11, 0x746965))
	n, v := len(ids)/batch, int(t.Net.Vocabulary)
	for range tieNudges {
		for _, name := range slices.Sorted(maps.Keys(before)) {
			w := before[name]
			moved := backend.NewTensor(graph.Float32, w.Shape...)
			for i, x := range w.F32() {
				moved.F32()[i] = x * float32(1+tieNudge*(2*rng.Float64()-1))
			}
			if err := t.Weights.Buffer(name).Upload(nil, moved); err != nil {
				return false, err
			}
		}
		got, err := t.Forward(ctx, ids, batch, n)
		if err != nil {
			return false, err
		}
		at := (a.row*n + a.position) * v
		if apart(got[at:at+v], want[at:at+v]) > a.difference/2 {
			return true, nil
		}
	}
	return false, nil
}

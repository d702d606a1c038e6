package bench

import (
	"context"
	"fmt"
	"runtime"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/graph/narrow"
	"github.com/moezoo/moezoo/zoo"
)

// Decoding is what one more token costs behind so many others, in a single sequence.
type Decoding struct {
	Model      string    `json:"model"`
	Contexts   []int     `json:"contexts"`
	Best       []float64 `json:"best_ms"` // over the repeats
	Median     []float64 `json:"median_ms"`
	StateBytes []int     `json:"state_bytes"`
	Repeats    int       `json:"repeats"`
	Host       zoo.Host  `json:"host"`
}

// Contexts measures decoding where texts reach contexts, in rising order, with the weights that training
// would start from. The tokens before are not computed (see [zoo.Decoder.Skip]). A context that
// the model has no positions for ends the list.
func Contexts(ctx context.Context, m *zoo.Model, d *cpu.Device, contexts []int, repeats int) (*Decoding, error) {
	if router, err := m.LooksAhead(ctx); err != nil {
		return nil, err
	} else if router != "" {
		return nil, fmt.Errorf("%s does not run token by token: router %s looks at later tokens", m.Recipe.Name, router)
	}
	b := &bench{ctx: ctx, model: m, device: d}
	dec, _, err := b.newDecoder(narrow.Float32)
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	out := &Decoding{Model: m.Recipe.Name, Repeats: repeats, Host: zoo.ThisHost()}
	out.Host.Threads = d.Pool.Threads()
	one := make([]int64, 1)
	for _, n := range contexts {
		if p := m.Recipe.Positions; p > 0 && int64(n) > p {
			break
		}
		// The last of the repeats, which one more goes before, is token n.
		if err := dec.Skip(max(n-dec.Length()-repeats-1, 0)); err != nil {
			return nil, err
		}
		runtime.GC() // not while it is measured
		times, err := repeat(repeats, func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			_, err := dec.Feed(ctx, one)
			return err
		})
		if err != nil {
			return nil, err
		}
		out.Contexts, out.Best, out.Median, out.StateBytes = append(out.Contexts, n), append(out.Best, times.Best), append(out.Median, times.Median), append(out.StateBytes, dec.StateBytes())
	}
	return out, nil
}

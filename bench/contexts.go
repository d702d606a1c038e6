package bench

import (
	"context"
	"errors"
	"runtime"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/data"
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
	// Weights says whose they were: the folder of a run.
	Weights string `json:"weights,omitempty"`
	// Read is how many tokens of text were read at most; behind more, attention's caches hold
	// theirs again and again.
	Read int `json:"tokens_read,omitempty"`
	// Others is the share of the machine's processor time that other programs took meanwhile,
	// nil where that is not known.
	Others *float64 `json:"others_share,omitempty"`
}

// mostRead is how many tokens are read before the measurements: reading takes attention the
// square of their number, and 65,536 tokens sixty times as long as these.
const mostRead = 8192

// Contexts measures decoding with a model where a text reaches contexts, in rising order. The
// text is read up to 8,192 tokens, and from its beginning again where it is shorter; see
// [zoo.Decoder.Repeat] for what is behind. A context that the model has no positions for ends
// the list.
func Contexts(ctx context.Context, m *zoo.Model, dec *zoo.Decoder, text data.Tokens, d *cpu.Device, contexts []int, repeats int) (*Decoding, error) {
	if text.Len() == 0 {
		return nil, errors.New("there is no text to decode behind")
	}
	out := &Decoding{Model: m.Recipe.Name, Repeats: repeats, Host: zoo.ThisHost()}
	out.Host.Threads = d.Pool.Threads()
	r := reader{dec, text}
	others := watchOthers()
	for _, n := range contexts {
		if p := m.Recipe.Positions; p > 0 && int64(n) > p {
			break
		}
		// The last of the repeats, which one more goes before, is token n.
		before := n - repeats - 1
		if err := r.feed(ctx, min(before, mostRead)-dec.Length()); err != nil {
			return nil, err
		}
		out.Read = max(out.Read, min(before, mostRead))
		if err := dec.Repeat(max(before-dec.Length(), 0)); err != nil {
			return nil, err
		}
		runtime.GC() // not while it is measured
		times, err := repeat(repeats, func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return r.feed(ctx, 1)
		})
		if err != nil {
			return nil, err
		}
		out.Contexts, out.Best, out.Median, out.StateBytes = append(out.Contexts, n), append(out.Best, times.Best), append(out.Median, times.Median), append(out.StateBytes, dec.StateBytes())
	}
	out.Others = others()
	return out, nil
}

// reader feeds a text to a decoder, again and again.
type reader struct {
	*zoo.Decoder
	text data.Tokens
}

// feed feeds the next n tokens of the text.
func (r *reader) feed(ctx context.Context, n int) error {
	for n > 0 {
		at := r.Length() % r.text.Len()
		ids := make([]int64, min(n, r.text.Len()-at))
		if err := r.text.Copy(ids, at); err != nil {
			return err
		}
		if _, err := r.Feed(ctx, ids); err != nil {
			return err
		}
		n -= len(ids)
	}
	return nil
}

package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/data"
	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/data/tokenizer"
	"github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/zoo"
)

// steps is how many are made, stop after which one the resumed run is interrupted.
const (
	steps = 4
	stop  = 2
)

// trial is one way to train: the number of threads up to an interruption, and behind it; 0 for
// none.
type trial struct{ threads, then int }

func (r trial) String() string {
	if r.then > 0 {
		return fmt.Sprintf("interrupted after step %d and resumed on %d threads", stop, r.then)
	}
	return fmt.Sprintf("on %d threads", r.threads)
}

// trials are compared with the first.
var trials = []trial{{threads: 1}, {threads: 2}, {threads: 4}, {threads: 1, then: 2}}

// Determinism trains a few steps on the embedded novel on several numbers of threads, and once
// interrupted and resumed from its checkpoint: losses and weights must be the same bits.
func Determinism(ctx context.Context, t *zoo.Trained, o Options) (Verdict, error) {
	v := Verdict{Check: "determinism", Status: OK}
	m, err := shortened(t)
	if err != nil {
		return v, err
	}
	set, err := text(ctx, m)
	if err != nil {
		return v, err
	}
	work, err := os.MkdirTemp("", "zoo-check-")
	if err != nil {
		return v, err
	}
	defer os.RemoveAll(work)
	var first *course
	for i, r := range trials {
		c, err := follow(ctx, m, set, r, zoo.TrainOptions{Dir: filepath.Join(work, fmt.Sprint(i)), Memory: o.Memory, InitFrom: t.Dir})
		if err != nil {
			return v, err
		}
		if first == nil {
			first = c
			continue
		}
		if found := c.against(first, r, v); found.Status != OK {
			found.Layer = layerOf(t, found.Parameter)
			return found, nil
		}
	}
	v.Detail = fmt.Sprintf("the same bits of %d losses and %d tensors on 1, 2 and 4 threads, and interrupted after step %d and resumed", steps, len(first.names), stop)
	return v, nil
}

// against compares with the first training, on one thread.
func (c *course) against(first *course, r trial, v Verdict) Verdict {
	for n := range first.losses {
		if c.losses[n] != first.losses[n] {
			v.Difference = Number(math.Abs(c.losses[n] - first.losses[n]))
			return v.failure("%v, the loss of step %d is %v, on one thread %v; both must be the same bits", r, n+1, c.losses[n], first.losses[n])
		}
	}
	for _, name := range first.names {
		if !bytes.Equal(c.weights[name], first.weights[name]) {
			v.Parameter = name
			return v.failure("%v, %s differs after %d steps from what it is on one thread, though the losses are the same bits", r, name, steps)
		}
	}
	return v
}

// shortened is the model with a short training, of micro-batches larger than the blocks that sums are
// made of.
func shortened(t *zoo.Trained) (*zoo.Model, error) {
	r := t.Recipe
	r, _, err := r.With([]string{fmt.Sprintf(
		"train={steps: %d, batch: 4, context: %d, accumulate: 2, lr: 1e-3, seed: %d, precision: %s, save_every: 0, eval_every: 0, keep_best: false}",
		steps, longest(t, 64), r.Train.Seed, r.Train.Precision)})
	if err != nil {
		return nil, err
	}
	return zoo.Restore(r, t.Functions)
}

// text is the beginning of the embedded novel, in some tokens where the model's vocabulary has
// no tokenizer.
func text(ctx context.Context, m *zoo.Model) (*data.Set, error) {
	docs := []corpus.Document{corpus.FromBytes("novel", corpus.Default()[:20_000])}
	if _, err := m.Tokenizer(); err != nil {
		return data.NewSet(ctx, docs, folded{size: m.Net.Vocabulary}, m.Recipe.Data.Holdout, "")
	}
	return m.Data(ctx, docs)
}

// folded is bytes as ids of a vocabulary that nothing is known of but its size.
type folded struct {
	tokenizer.Bytes
	size int64
}

// Append appends an id for each byte.
func (f folded) Append(ids []int64, text []byte) []int64 {
	for _, b := range text {
		ids = append(ids, int64(b)*31%f.size)
	}
	return ids
}

// AppendSettled is Append: bytes never wait for others.
func (f folded) AppendSettled(ids []int64, text []byte) ([]int64, int) {
	return f.Append(ids, text), len(text)
}

// Size is the number of ids.
func (f folded) Size() int { return int(f.size) }

// EndOfText says that documents end with no token.
func (f folded) EndOfText() (int64, bool) { return 0, false }

// course is what a training came to.
type course struct {
	losses  []float64
	names   []string
	weights map[string][]byte
}

// follow trains one way.
func follow(ctx context.Context, m *zoo.Model, set *data.Set, r trial, o zoo.TrainOptions) (*course, error) {
	c := &course{weights: map[string][]byte{}}
	until := stop
	if r.then == 0 {
		until = steps
	}
	if err := c.part(ctx, m, set, r.threads, until, o); err != nil {
		return nil, err
	}
	if r.then > 0 {
		o.Resume, o.InitFrom = true, ""
		if err := c.part(ctx, m, set, r.then, steps, o); err != nil {
			return nil, err
		}
	}
	d := cpu.New(1)
	defer d.Close()
	t, err := zoo.Open(o.Dir, d)
	if err != nil {
		return nil, err
	}
	task, err := m.Task()
	if err != nil {
		return nil, err
	}
	for _, p := range task.Train.Params {
		c.names = append(c.names, p.Value.Name)
		c.weights[p.Value.Name] = t.Weight(p.Value.Name).Data
	}
	return c, nil
}

// part trains on a number of threads until a step is made, and saves.
func (c *course) part(ctx context.Context, m *zoo.Model, set *data.Set, threads, until int, o zoo.TrainOptions) error {
	d := cpu.New(threads)
	defer d.Close()
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	o.Progress = func(p train.Progress) {
		c.losses = append(c.losses, p.Loss)
		if p.Step == until && until < steps {
			cancel()
		}
	}
	run, err := m.Train(o, set, d)
	if err != nil {
		return err
	}
	defer run.Close()
	if _, err := run.Train(inner); err != nil && (!errors.Is(err, context.Canceled) || ctx.Err() != nil) {
		return err
	}
	return nil
}

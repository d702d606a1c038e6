package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/data"
	"github.com/moezoo/moezoo/internal/faultfs"
	"github.com/moezoo/moezoo/safetensors"
	"github.com/moezoo/moezoo/train/checkpoint"
	"github.com/moezoo/moezoo/train/metrics"
	"github.com/moezoo/moezoo/train/schedule"
)

// Config says how a run trains, where it keeps what it makes, and when.
type Config struct {
	Dir       string // the run's folder
	Sizes     Sizes
	Optimizer Optimizer
	Schedule  schedule.Schedule
	Seed      uint64

	EvalEvery int // steps; 0 for only at the end
	SaveEvery int // steps; 0 for only at the end
	KeepLast  int
	KeepBest  bool

	// Blobs are further files of every checkpoint: the resolved recipe, built functions,
	// the lock.
	Blobs map[string][]byte
	// Machine is what bit-equality depends on, such as "amd64/avx2".
	Machine string
	// InitFrom is a file of weights that a new run begins with, empty to draw them.
	InitFrom string
	// AnyMachine allows resuming where Machine differs.
	AnyMachine bool
	Resume     bool

	FS       faultfs.FS // where checkpoints are written; nil for the operating system's
	Progress func(Progress)
	Log      func(message string)
}

// Progress is what is known after a step.
type Progress struct {
	Step, Steps int
	Loss        float64 // of the step's training batch, auxiliary losses included
	LR, Norm    float64
	TokensPerS  float64
	Left        time.Duration
	Skipped     int // steps without effect so far, because the gradient was not finite
	HeldOut     *Evaluation
}

// Evaluation is the loss on the held-out text.
type Evaluation struct {
	Nats    float64 // per target
	Targets int
	// BitsPerByte is the loss over all held-out bytes.
	BitsPerByte float64
}

// ErrDiverged says that the gradient was not finite for too many steps in a row.
var ErrDiverged = errors.New("training diverged")

// maxSkipped is how many steps in a row may be without effect.
const maxSkipped = 10

// Run is a training run that can be interrupted anywhere.
type Run struct {
	cfg     Config
	task    *Task
	set     *data.Set
	engine  *Engine
	eval    *Evaluator
	sampler *data.Mixture
	log     *metrics.Log
	lock    *checkpoint.Lock
	state   state
	saved   int // the step of the newest checkpoint, -1 for none
	started time.Time
	worked  int           // steps made by this process
	trained time.Duration // spent in steps so far, of earlier processes, too
}

// New prepares a run: it locks the folder, compiles the task, and loads the latest
// checkpoint when resuming, else draws the first weights.
func New(cfg Config, t *Task, set *data.Set, d backend.Device) (*Run, error) {
	if err := cfg.Schedule.Check(); err != nil {
		return nil, err
	}
	if cfg.FS == nil {
		cfg.FS = faultfs.OS{}
	}
	if cfg.Log == nil {
		cfg.Log = func(string) {}
	}
	r := &Run{cfg: cfg, task: t, set: set, saved: -1}
	var err error
	if r.sampler, err = set.Samples(cfg.Seed, cfg.Sizes.Context); err != nil {
		return nil, err
	}
	if r.lock, err = checkpoint.Acquire(cfg.Dir); err != nil {
		return nil, err
	}
	if err = r.prepare(d); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *Run) prepare(d backend.Device) error {
	if err := r.refuseOldRun(); err != nil {
		return err
	}
	var err error
	if r.engine, err = NewEngine(r.task, r.cfg.Optimizer, r.cfg.Sizes, d); err != nil {
		return err
	}
	if s := r.engine.Recompute(); s != "" {
		r.cfg.Log("to stay within the memory, the backward pass computes a second time: " + s)
	}
	if r.eval, err = NewEvaluator(r.task, r.cfg.Sizes, d, r.engine.Buffer, r.engine.Arena()); err != nil {
		return err
	}
	if err := r.checkSpace(); err != nil {
		return err
	}
	if r.cfg.Resume {
		if err := r.load(); err != nil {
			return err
		}
	} else {
		r.state = state{Best: math.Inf(1), BestStep: -1, Machine: r.cfg.Machine, Data: r.set.Hash}
		if err := r.begin(); err != nil {
			return err
		}
	}
	if r.log, err = metrics.Open(r.cfg.Dir, r.state.Step); err == nil {
		r.trained = time.Duration(r.log.Seconds * float64(time.Second))
	}
	return err
}

// refuseOldRun keeps a new run from mixing with one that is already in the folder.
func (r *Run) refuseOldRun() error {
	steps, err := checkpoint.Steps(r.cfg.Dir)
	if err != nil {
		return err
	}
	if len(steps) > 0 && !r.cfg.Resume {
		return &checkpoint.Error{Path: r.cfg.Dir, Err: fmt.Errorf("%w, at step %d: resume it, or choose another folder", checkpoint.ErrHoldsRun, steps[len(steps)-1])}
	}
	return nil
}

// begin gives the parameters of a new run their values.
func (r *Run) begin() error {
	if err := r.engine.Initialise(r.task.Train.Params, r.task.Init); err != nil || r.cfg.InitFrom == "" {
		return err
	}
	params, _ := r.engine.Tensors(r.task)
	f, err := safetensors.Open(r.cfg.InitFrom)
	if err != nil {
		return err
	}
	defer f.Close()
	return r.fill(f, r.cfg.InitFrom, params)
}

// Step is how many steps the run has made.
func (r *Run) Step() int { return r.state.Step }

// Bytes is the memory that training takes.
func (r *Run) Bytes() int { return r.engine.Bytes() }

// Train makes the steps that are left. When ctx ends it finishes the step under way,
// saves, and answers the context's error. It answers the last evaluation.
func (r *Run) Train(ctx context.Context) (*Evaluation, error) {
	r.started = time.Now()
	last, err := r.owed(ctx)
	if err != nil {
		return nil, err
	}
	skippedInARow := 0
	for r.state.Step < r.cfg.Schedule.Steps {
		if ctx.Err() != nil {
			if skippedInARow == 0 { // the weights may be what makes the gradients infinite
				err = r.Save()
			}
			return last, errors.Join(err, ctx.Err())
		}
		p, err := r.step()
		if err != nil {
			return last, err
		}
		if skippedInARow++; finite(p.Norm) {
			skippedInARow = 0
		}
		if last, err = r.after(ctx, p, last, skippedInARow); err != nil {
			return last, err
		}
		if skippedInARow >= maxSkipped {
			return last, r.diverged(skippedInARow)
		}
	}
	if ctx.Err() != nil && r.state.Evaluated != r.state.Step { // the last evaluation was cut short
		return last, ctx.Err()
	}
	if last == nil { // resumed after the last step
		return r.eval.Measure(ctx, r.set)
	}
	return last, nil
}

// after evaluates, records and saves as the settings say.
func (r *Run) after(ctx context.Context, p Progress, last *Evaluation, skipped int) (*Evaluation, error) {
	final, improved := r.state.Step == r.cfg.Schedule.Steps, false
	if r.due(r.cfg.EvalEvery) {
		e, better, err := r.evaluate(ctx)
		if err != nil && ctx.Err() == nil {
			return last, err
		}
		if err == nil {
			last, p.HeldOut, improved = e, e, better
		}
	}
	if err := r.record(p); err != nil {
		return last, err
	}
	if r.cfg.Progress != nil {
		r.cfg.Progress(p)
	}
	switch {
	case skipped > 0 && final && p.HeldOut != nil && !finite(p.HeldOut.Nats):
		return last, r.diverged(skipped)
	case skipped > 0 && (!final || p.HeldOut == nil): // the weights may be what makes gradients infinite
		return last, nil
	case r.due(r.cfg.SaveEvery), improved && r.cfg.KeepBest:
		return last, r.Save()
	}
	return last, nil
}

// due reports whether the present step is the last, or one of every so many.
func (r *Run) due(every int) bool {
	return r.state.Step == r.cfg.Schedule.Steps || every > 0 && r.state.Step%every == 0
}

// evaluate measures the held-out loss, and whether it is the lowest so far.
func (r *Run) evaluate(ctx context.Context) (e *Evaluation, better bool, err error) {
	if e, err = r.eval.Measure(ctx, r.set); err != nil {
		return nil, false, err
	}
	r.state.Evaluated = r.state.Step
	if e.Targets > 0 && e.Nats < r.state.Best {
		r.state.Best, r.state.BestStep = e.Nats, r.state.Step
		return e, true, nil
	}
	return e, false, nil
}

// owed makes the evaluation that an interruption kept a resumed run from making.
func (r *Run) owed(ctx context.Context) (*Evaluation, error) {
	if r.state.Step == 0 || r.state.Evaluated == r.state.Step || !r.due(r.cfg.EvalEvery) {
		return nil, nil
	}
	e, _, err := r.evaluate(ctx)
	if err != nil || e.Targets == 0 || r.log.Evaluated == r.state.Step { // made up for by a process that was then killed
		return e, err
	}
	return e, r.write(map[string]any{"held_out_loss": e.Nats, "held_out_bits_per_byte": e.BitsPerByte})
}

// diverged says that no step has had an effect for a while, and what is left.
func (r *Run) diverged(skipped int) error {
	left := "there is no checkpoint yet"
	if steps, err := checkpoint.Steps(r.cfg.Dir); err == nil && len(steps) > 0 {
		left = fmt.Sprintf("the checkpoint of step %d is good", steps[len(steps)-1])
	}
	return fmt.Errorf("%w: the gradient was not finite for %d steps in a row, up to step %d; %s; a lower train.lr or a train.clip may help", ErrDiverged, skipped, r.state.Step, left)
}

// Best is the step of the lowest held-out loss so far, and that loss in nats per target; -1
// while none was measured.
func (r *Run) Best() (step int, nats float64) { return r.state.BestStep, r.state.Best }

// step makes one optimiser step. It runs to its end whatever happens to a context, so
// that an interruption never leaves half a step.
func (r *Run) step() (Progress, error) {
	ctx, began := context.Background(), time.Now()
	step := r.state.Step
	rows := int64(r.cfg.Sizes.Batch)
	for micro := range r.cfg.Sizes.Accumulate {
		ids, targets := r.engine.Batch()
		if err := r.sampler.Fill((int64(step)*int64(r.cfg.Sizes.Accumulate)+int64(micro))*rows, ids, targets); err != nil {
			return Progress{}, err
		}
		if err := r.engine.Accumulate(ctx, micro, [2]int64{int64(r.cfg.Seed), int64(step*r.cfg.Sizes.Accumulate + micro)}); err != nil {
			return Progress{}, err
		}
	}
	lr := r.cfg.Schedule.At(step)
	norm, err := r.engine.Update(ctx, step+1-r.state.Skipped, lr)
	if err != nil {
		return Progress{}, err
	}
	r.state.Step++
	r.worked++
	r.trained += time.Since(began)
	if !finite(norm) {
		r.state.Skipped++
		r.cfg.Log(fmt.Sprintf("step %d: the gradient is not finite; the step is skipped", r.state.Step))
	}
	p := Progress{Step: r.state.Step, Steps: r.cfg.Schedule.Steps, LR: lr, Norm: norm, Skipped: r.state.Skipped}
	elapsed := time.Since(r.started).Seconds()
	p.TokensPerS = float64(r.worked*r.tokensPerStep()) / elapsed
	p.Left = time.Duration(elapsed / float64(r.worked) * float64(p.Steps-p.Step) * float64(time.Second))
	r.engine.Report(func(name string, v []float64) {
		if name == "loss" {
			p.Loss = v[0]
		}
	})
	return p, nil
}

func (r *Run) tokensPerStep() int {
	return r.cfg.Sizes.Batch * r.cfg.Sizes.Context * r.cfg.Sizes.Accumulate
}

// record writes the step to the metric files.
func (r *Run) record(p Progress) error {
	values := map[string]any{"lr": p.LR, "grad_norm": p.Norm, "tokens": p.Step * r.tokensPerStep(), "seconds": r.trained.Seconds(), "skipped": p.Skipped}
	r.engine.Report(func(name string, v []float64) {
		if len(v) == 1 {
			values[name] = v[0]
		} else {
			values[name] = append([]float64(nil), v...)
		}
	})
	if p.HeldOut != nil && p.HeldOut.Targets > 0 {
		values["held_out_loss"], values["held_out_bits_per_byte"] = p.HeldOut.Nats, p.HeldOut.BitsPerByte
	}
	return r.write(values)
}

// write appends a record of the present step to the metric files.
func (r *Run) write(values map[string]any) error {
	if err := r.log.Write(r.state.Step, values); err != nil {
		return &checkpoint.EnvironmentError{Err: err}
	}
	return nil
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// Close releases everything; it does not save.
func (r *Run) Close() {
	if r.log != nil {
		r.log.Close()
	}
	if r.eval != nil {
		r.eval.Close()
	}
	if r.engine != nil {
		r.engine.Close()
	}
	if r.lock != nil {
		r.lock.Release()
	}
}

package study

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/train/checkpoint"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// RunOptions say how a task is run.
type RunOptions struct {
	Out        string // the study's folder
	Device     backend.Device
	Memory     int // bytes that training may take, 0 for no limit
	AnyMachine bool
	Reuse      []string // folders of other studies, whose finished runs are taken rather than made again
	Progress   func(train.Progress)
	Log        func(string)
}

func (o RunOptions) log(format string, args ...any) {
	if o.Log != nil {
		o.Log(fmt.Sprintf(format, args...))
	}
}

// RunTask makes one run of the study, or what is left of it. A run that is finished is left
// alone, and one that another study has finished is taken from there. It answers the run's
// folder.
func (s *Study) RunTask(ctx context.Context, t *Task, o RunOptions) (dir string, err error) {
	texts, err := s.source()
	if err != nil {
		return "", err
	}
	set, err := texts.set(ctx, &zoo.Model{Recipe: t.Model.Recipe})
	if err != nil {
		return "", err
	}
	size, err := t.Size(func() (float64, error) { return s.measuredRate(ctx, t.Model, texts, o) })
	if err != nil {
		return "", err
	}
	r, err := s.Recipe(t, size.Steps)
	if err != nil {
		return "", err
	}
	identity := zoo.Identity(r.Hash(), set.Hash)
	dir = t.Place(o.Out, identity)
	var state State
	for wait := time.Now().Add(orphanTime); ; {
		if state, err = StateOf(dir, identity, size.Steps); err != nil || state.Finished {
			return dir, err
		}
		var reused bool
		if reused, err = reuse(t, dir, identity, size.Steps, o); err == nil && !reused {
			err = s.train(ctx, t, r, state.Saved, dir, texts, o)
		}
		orphan := errors.Is(err, checkpoint.ErrInUse) || errors.Is(err, checkpoint.ErrHoldsRun) // that began meanwhile
		if !orphan || time.Now().After(wait) || ctx.Err() != nil {
			return dir, err
		}
		time.Sleep(orphanTime / 100)
	}
}

// orphanTime is how long a run may be in use by a process that a killed study left behind: it
// saves and ends.
const orphanTime = 20 * time.Second

// train begins or resumes a run.
func (s *Study) train(ctx context.Context, t *Task, r *recipe.Recipe, resume bool, dir string, texts *source, o RunOptions) error {
	var m *zoo.Model
	var err error
	if resume {
		m, err = reopen(dir)
	} else {
		m, err = s.build(ctx, r)
	}
	if err != nil {
		return err
	}
	set, err := texts.set(ctx, m)
	if err != nil {
		return err
	}
	run, err := m.Train(zoo.TrainOptions{
		Dir: dir, Label: t.Label, Resume: resume, AnyMachine: o.AnyMachine, Memory: o.Memory, Progress: o.Progress, Log: o.Log,
	}, set, o.Device)
	if err != nil {
		return err
	}
	defer run.Close()
	_, err = run.Train(ctx)
	return err
}

// reopen is a run's model as it was built when the run began, read while nobody saves.
func reopen(dir string) (*zoo.Model, error) {
	lock, err := checkpoint.Acquire(dir)
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	return zoo.OpenModel(dir)
}

// How long and how many steps a rate is measured.
const (
	rateSteps = 200
	rateTime  = 5 * time.Second
)

// measuredRate is how many steps a model makes in a second, measured once for a study's
// folder.
func (s *Study) measuredRate(ctx context.Context, m *Model, texts *source, o RunOptions) (float64, error) {
	if kept := keptRate(o.Out, m); kept > 0 {
		return kept, nil
	}
	r, err := s.Study.Load(m.index, append(m.Settings[:len(m.Settings):len(m.Settings)],
		fmt.Sprintf("train.steps=%d", rateSteps), "train.eval_every=0", "train.save_every=0")...)
	if err != nil {
		return 0, err
	}
	built, err := s.build(ctx, r)
	if err != nil {
		return 0, err
	}
	set, err := texts.set(ctx, built)
	if err != nil {
		return 0, err
	}
	temp, err := os.MkdirTemp("", "zoo-rate-*")
	if err != nil {
		return 0, &checkpoint.EnvironmentError{Err: err}
	}
	defer os.RemoveAll(temp)
	measuring, stop := context.WithTimeout(ctx, rateTime)
	defer stop()
	began, steps, seconds := time.Time{}, 0, 0.0
	run, err := built.Train(zoo.TrainOptions{Dir: temp, Memory: o.Memory, Progress: func(p train.Progress) {
		if began.IsZero() { // the first step warms up
			began = time.Now()
			return
		}
		steps, seconds = p.Step-1, time.Since(began).Seconds()
	}}, set, o.Device)
	if err != nil {
		return 0, err
	}
	defer run.Close()
	if _, err := run.Train(measuring); err != nil && !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return 0, errors.Join(err, ctx.Err())
	}
	if steps == 0 {
		return 0, fmt.Errorf("%s: not even two steps in %v: give the budget in steps", m.Name, rateTime)
	}
	return keepRate(ctx, o.Out, m, float64(steps)/seconds)
}

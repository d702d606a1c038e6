package study

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/moezoo/moezoo/train/checkpoint"
	"github.com/moezoo/moezoo/train/metrics"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// Task is one run of a study.
type Task struct {
	Index  int
	Model  *Model
	Seed   uint64
	Budget recipe.StudyBudget
	Name   string // "mamba-s0", with the budget when the study has several
	Label  string // what reports call the model at this budget
}

// Tasks are all runs, in the order in which one after another makes them: the first seed of
// every model before the second of any, so that a study which is cut short compares fairly.
func (s *Study) Tasks() []Task {
	var out []Task
	for _, seed := range s.Seeds {
		for _, b := range s.Budgets {
			for i := range s.Models {
				m := &s.Models[i]
				t := Task{Index: len(out), Model: m, Seed: seed, Budget: b, Label: m.Name, Name: m.Name}
				if len(s.Budgets) > 1 {
					t.Label, t.Name = m.Name+", "+Amount(b), fmt.Sprintf("%s-%.3g-%s", m.Name, b.Amount, b.Kind)
				}
				t.Name = fmt.Sprintf("%s-s%d", t.Name, seed)
				out = append(out, t)
			}
		}
	}
	return out
}

// Amount is a budget in words.
func Amount(b recipe.StudyBudget) string {
	if b.Amount < 1e7 {
		return fmt.Sprintf("%.0f %s", b.Amount, b.Kind)
	}
	return fmt.Sprintf("%.4g %s", b.Amount, b.Kind)
}

// Size is what a task takes.
type Size struct {
	Steps  int64   `json:"steps"`
	Tokens int64   `json:"tokens"`
	FLOPs  float64 `json:"flops"` // of training: three times a forward pass
}

// Size counts what a task takes. stepsPerSecond is only asked for budgets of seconds.
func (t *Task) Size(stepsPerSecond func() (float64, error)) (Size, error) {
	r := t.Model.Recipe
	perStep := float64(r.Train.Batch * r.Train.Context * r.Train.Accumulate)
	flops := 3 * float64(t.Model.Counts.FLOPs)
	var steps float64
	switch t.Budget.Kind {
	case recipe.Steps:
		steps = t.Budget.Amount
	case recipe.Tokens:
		steps = t.Budget.Amount / perStep
	case recipe.FLOPs:
		steps = t.Budget.Amount / perStep / flops
	case recipe.Seconds:
		rate, err := stepsPerSecond()
		if err != nil {
			return Size{}, err
		}
		steps = t.Budget.Amount * rate
	}
	n := max(int64(steps+0.5), 1)
	return Size{Steps: n, Tokens: n * int64(perStep), FLOPs: float64(n) * perStep * flops}, nil
}

// Recipe is the recipe of a task: its model's, with seed, steps and evaluations set. Only the
// last checkpoint is kept.
func (s *Study) Recipe(t *Task, steps int64) (*recipe.Recipe, error) {
	every := s.evaluateEvery(steps)
	return s.Study.Load(t.Model.index, append(t.Model.Settings[:len(t.Model.Settings):len(t.Model.Settings)],
		fmt.Sprintf("train.seed=%d", t.Seed), fmt.Sprintf("train.steps=%d", steps), fmt.Sprintf("train.eval_every=%d", every),
		"train.keep_last=1", "train.keep_best=false")...)
}

// evaluateEvery is how many steps of a run of so many are between evaluations.
func (s *Study) evaluateEvery(steps int64) int64 {
	if s.EvaluateEvery > 0 {
		return s.EvaluateEvery
	}
	return max(steps/s.Evaluations, 1)
}

// evaluations is how often such a run is evaluated, the last time behind the last step.
func (s *Study) evaluations(steps int64) int64 {
	every := s.evaluateEvery(steps)
	return (steps + every - 1) / every
}

// runsFolder holds the runs of a study.
const runsFolder = "runs"

// Place is where a task's run lives under a study's folder.
func (t *Task) Place(out, identity string) string {
	return filepath.Join(out, runsFolder, t.Name+ending(identity))
}

// ending is what the folders of runs of an identity end with, whatever their study calls them.
func ending(identity string) string { return fmt.Sprintf("-%.8s", identity) }

// State is how far a run has come.
type State struct {
	Step, Steps int64
	Saved       bool // if only before the first step
	Finished    bool
}

// String is the state in words, empty for a run that has saved nothing.
func (s State) String() string {
	switch {
	case s.Finished:
		return "finished"
	case s.Step > 0:
		return fmt.Sprintf("step %d of %d", s.Step, s.Steps)
	}
	return ""
}

// StateOf looks at a run's folder: the run is finished when it is the one of this identity, the
// checkpoint of its last step is there, and so is the evaluation, which an interruption may have
// cut short.
func StateOf(dir, identity string, steps int64) (State, error) {
	s := State{Steps: steps}
	saved, err := checkpoint.Steps(dir)
	if err != nil || len(saved) == 0 {
		return s, err
	}
	s.Step, s.Saved = int64(saved[len(saved)-1]), true
	r, err := zoo.ReadRecord(dir)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if s.Step != steps || zoo.Identity(r.RecipeHash, r.DataHash) != identity {
		return s, nil
	}
	last, err := metrics.Last(dir)
	_, evaluated := last["held_out_loss"]
	s.Finished = r.HeldTargets == 0 || evaluated && last["step"] == float64(steps)
	return s, err
}

// rateFile keeps the steps per second of a model.
func rateFile(out string, m *Model) string {
	return filepath.Join(out, "rates", fmt.Sprintf("%s-%.8s.json", m.Name, m.Recipe.Hash()))
}

type rate struct {
	StepsPerSecond float64  `json:"steps_per_second"`
	Host           zoo.Host `json:"host"`
}

// keptRate is the rate measured earlier, 0 when there is none.
func keptRate(out string, m *Model) float64 {
	raw, err := os.ReadFile(rateFile(out, m))
	var r rate
	if err != nil || json.Unmarshal(raw, &r) != nil {
		return 0
	}
	return r.StepsPerSecond
}

// keepRate writes a rate unless another process was first, and answers the one that counts.
func keepRate(_ context.Context, out string, m *Model, stepsPerSecond float64) (float64, error) {
	path := rateFile(out, m)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return 0, err
	}
	raw, err := json.MarshalIndent(rate{stepsPerSecond, zoo.ThisHost()}, "", "  ")
	if err != nil {
		return 0, err
	}
	temp := fmt.Sprintf("%s.%d", path, os.Getpid())
	defer os.Remove(temp)
	if err := os.WriteFile(temp, raw, 0o666); err != nil {
		return 0, err
	}
	if err := os.Link(temp, path); err != nil && !errors.Is(err, os.ErrExist) {
		return 0, err
	}
	return keptRate(out, m), nil
}

// ErrNoRate says that the steps of a budget of seconds are not known before a measurement.
var ErrNoRate = errors.New("a budget of seconds becomes steps on the machine that runs it")

// NoRate is for [Task.Size] where nothing may be measured.
func NoRate() (float64, error) { return 0, ErrNoRate }

// KeptRate is for [Task.Size] where only a rate that was measured before counts.
func (t *Task) KeptRate(out string) func() (float64, error) {
	return func() (float64, error) {
		if r := keptRate(out, t.Model); r > 0 {
			return r, nil
		}
		return 0, ErrNoRate
	}
}

// Folder is where a task's run lives, and the run's identity; ErrNoRate while they depend on a
// measurement.
func (s *Study) Folder(t *Task, out, dataHash string) (dir, identity string, err error) {
	size, err := t.Size(t.KeptRate(out))
	if err != nil {
		return "", "", err
	}
	r, err := s.Recipe(t, size.Steps)
	if err != nil {
		return "", "", err
	}
	identity = zoo.Identity(r.Hash(), dataHash)
	return t.Place(out, identity), identity, nil
}

package study

import (
	"context"
	"errors"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// Planned is a task with what it takes.
type Planned struct {
	Task        int      `json:"task"`
	Name        string   `json:"name"`
	Model       string   `json:"model"`
	Seed        uint64   `json:"seed"`
	Budget      string   `json:"budget"`
	Settings    []string `json:"sized_by,omitempty"` // what matching the sizes has set
	PaperActive int64    `json:"paper_active"`
	PaperTotal  int64    `json:"paper_total"`
	PerToken    int64    `json:"flops_per_token"`
	Off         float64  `json:"off"` // from the size that is matched, relative
	Bytes       int      `json:"training_bytes"`
	Size
	// Evaluation is the operations that evaluating on the held-out text takes beside training's,
	// 0 while the text is not there.
	Evaluation float64 `json:"evaluation_flops"`
	// Hours of training and evaluation by name of a throughput; a budget of seconds is what
	// training takes.
	Hours map[string]float64 `json:"hours,omitempty"`
	State string             `json:"state,omitempty"` // "finished", "finished in DIR", "step 40 of 100"; empty when it has not begun
	Dir   string             `json:"dir,omitempty"`
}

// Throughput is how many operations a second a machine makes in training.
type Throughput struct {
	Name  string
	FLOPS float64
}

// PlanOptions say for what, and where, a study is planned.
type PlanOptions struct {
	Device      backend.Device // whose plans tell how much memory training takes
	Memory      int            // bytes that it may take, 0 for any number
	Throughputs []Throughput
	Text        *Text    // nil while it is not there
	Out         string   // the study's folder, whose runs' states are told when the text is there
	Reuse       []string // folders of other studies, likewise
}

// Plan lists the tasks with what each takes. Nothing is allocated.
func (s *Study) Plan(ctx context.Context, o PlanOptions) ([]Planned, error) {
	bytes := map[string]int{}
	for i := range s.Models {
		m, err := zoo.BuildTrusting(ctx, s.Models[i].Recipe, s.host)
		if err != nil {
			return nil, err
		}
		_, memory, err := m.Plan(o.Device, o.Memory)
		if err != nil {
			return nil, err
		}
		bytes[s.Models[i].Name] = memory.Total()
	}
	var all []Planned
	tasks := s.Tasks()
	for i := range tasks {
		p, err := s.planned(&tasks[i], &o)
		if err != nil {
			return nil, err
		}
		p.Bytes = bytes[p.Model]
		all = append(all, *p)
	}
	return all, nil
}

// planned is a task without its memory.
func (s *Study) planned(t *Task, o *PlanOptions) (*Planned, error) {
	p := &Planned{
		Task: t.Index, Name: t.Name, Model: t.Model.Name, Seed: t.Seed, Budget: Amount(t.Budget), Settings: t.Model.Settings, PaperActive: t.Model.Counts.PaperActive,
		PaperTotal: t.Model.Counts.PaperTotal, PerToken: t.Model.Counts.FLOPs, Off: t.Model.Off, Hours: map[string]float64{},
	}
	var err error
	p.Size, err = t.Size(t.KeptRate(o.Out))
	known := err == nil
	if err != nil && !errors.Is(err, ErrNoRate) {
		return nil, err
	}
	if known && o.Text != nil {
		p.Evaluation = float64(s.evaluations(p.Steps)) * float64(o.Text.HeldOut) * float64(p.PerToken)
		if err := s.stateOf(p, t, o); err != nil {
			return nil, err
		}
	}
	for _, h := range o.Throughputs {
		p.Hours[h.Name] = (p.FLOPs + p.Evaluation) / h.FLOPS / 3600
		if t.Budget.Kind == recipe.Seconds {
			p.Hours[h.Name] = t.Budget.Amount/3600 + p.Evaluation/h.FLOPS/3600
		}
	}
	return p, nil
}

// stateOf fills in how far a run has come.
func (s *Study) stateOf(p *Planned, t *Task, o *PlanOptions) error {
	dir, identity, err := s.Folder(t, o.Out, o.Text.Hash)
	if err != nil {
		return err
	}
	state, err := StateOf(dir, identity, p.Steps)
	if err != nil {
		return err
	}
	p.Dir, p.State = dir, state.String()
	if state.Finished {
		return nil
	}
	from, err := finishedIn(o.Reuse, identity, p.Steps)
	if err == nil && from != "" {
		p.State = "finished in " + from
	}
	return err
}

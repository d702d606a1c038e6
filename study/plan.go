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
	// Hours by name of a throughput; of a budget of seconds, the budget.
	Hours map[string]float64 `json:"hours,omitempty"`
	State string             `json:"state,omitempty"` // "finished", "finished in DIR", "step 40 of 100"; empty when it has not begun
	Dir   string             `json:"dir,omitempty"`
}

// Throughput is how many operations a second a machine makes in training.
type Throughput struct {
	Name  string
	FLOPS float64
}

// Plan lists the tasks with what each takes. Memory is what the device's plan needs, limit what
// it may take (0 for any): nothing is allocated. With a hash of the study's text, the state of
// each run in out is told, too, or that it is finished in another study's folder.
func (s *Study) Plan(ctx context.Context, d backend.Device, limit int, throughputs []Throughput, out, dataHash string, reuse []string) ([]Planned, error) {
	bytes := map[string]int{}
	for i := range s.Models {
		m, err := zoo.BuildTrusting(ctx, s.Models[i].Recipe, s.host)
		if err != nil {
			return nil, err
		}
		_, memory, err := m.Plan(d, limit)
		if err != nil {
			return nil, err
		}
		bytes[s.Models[i].Name] = memory.Total()
	}
	var all []Planned
	tasks := s.Tasks()
	for i := range tasks {
		t := &tasks[i]
		p := Planned{
			Task: t.Index, Name: t.Name, Model: t.Model.Name, Seed: t.Seed, Budget: Amount(t.Budget), Settings: t.Model.Settings, PaperActive: t.Model.Counts.PaperActive,
			PaperTotal: t.Model.Counts.PaperTotal, PerToken: t.Model.Counts.FLOPs, Off: t.Model.Off, Bytes: bytes[t.Model.Name], Hours: map[string]float64{},
		}
		var err error
		if p.Size, err = t.Size(t.KeptRate(out)); err != nil && !errors.Is(err, ErrNoRate) {
			return nil, err
		}
		for _, h := range throughputs {
			p.Hours[h.Name] = p.FLOPs / h.FLOPS / 3600
			if t.Budget.Kind == recipe.Seconds {
				p.Hours[h.Name] = t.Budget.Amount / 3600
			}
		}
		if dataHash != "" && err == nil {
			if err := s.stateOf(&p, t, out, dataHash, reuse); err != nil {
				return nil, err
			}
		}
		all = append(all, p)
	}
	return all, nil
}

// stateOf fills in how far a run has come.
func (s *Study) stateOf(p *Planned, t *Task, out, dataHash string, reuse []string) error {
	dir, identity, err := s.Folder(t, out, dataHash)
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
	from, err := finishedIn(reuse, identity, p.Steps)
	if err == nil && from != "" {
		p.State = "finished in " + from
	}
	return err
}

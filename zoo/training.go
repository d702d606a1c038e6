package zoo

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/data"
	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/train/checkpoint"
	"github.com/moezoo/moezoo/train/schedule"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// TrainOptions say where a run lives and what it reads.
type TrainOptions struct {
	Dir        string
	Label      string // what reports call the model; the recipe's name when empty
	Resume     bool
	AnyMachine bool
	InitFrom   string // a run, or one of its checkpoints, whose weights a new run begins with
	Memory     int    // bytes that training may take, 0 for no limit
	Progress   func(train.Progress)
	Log        func(string)
}

// Names of a checkpoint's blobs.
const (
	RecipeFile    = "recipe.yaml"
	FunctionsFile = "functions.json"
	LockFile      = "zoo.lock"
)

// blobs are the files of a checkpoint that say what the model is.
func (m *Model) blobs() (map[string][]byte, error) {
	functions, err := json.Marshal(m.Functions)
	if err != nil {
		return nil, err
	}
	blobs := map[string][]byte{RecipeFile: m.Recipe.YAML(), FunctionsFile: functions}
	if m.Lock != nil {
		blobs[LockFile] = m.Lock
	}
	maps.Copy(blobs, m.Files)
	return blobs, nil
}

// Task is the model as a training task.
func (m *Model) Task() (*train.Task, error) {
	net, err := m.packed()
	if err != nil {
		return nil, err
	}
	b, err := net.Build(blocks.Options{Train: true, Targets: true})
	if err != nil {
		return nil, err
	}
	eval, err := net.Build(blocks.Options{Targets: true})
	if err != nil {
		return nil, err
	}
	in := blocks.Initialiser{Policy: blocks.Policy(m.Recipe.Init), Layers: len(m.Net.Layers), Seed: m.Recipe.Train.Seed}
	t := &train.Task{Train: b.G, Loss: b.Loss, Layers: b.Layers, Eval: eval.G, Entropy: eval.Entropy, Float32: keepsFloat32, Init: in.Fill}
	t.Reports = append(t.Reports, train.Report{Name: "cross_entropy", Value: b.Entropy})
	for _, r := range append(b.Losses, b.Metrics...) {
		t.Reports = append(t.Reports, train.Report{Name: r.Name, Value: r.Value})
	}
	for _, u := range b.Updates {
		t.Updates = append(t.Updates, train.Update{Param: u.State, Accumulate: u.Accumulate, Function: u.Update})
	}
	return t, nil
}

// packed is the network for sequences that documents are packed into.
func (m *Model) packed() (blocks.Model, error) {
	net := m.Net
	if m.Recipe.Data.Boundaries != recipe.Reset {
		return net, nil
	}
	t, err := m.Tokenizer()
	if err != nil {
		return net, err
	}
	separator, ok := t.EndOfText()
	if !ok {
		return net, fmt.Errorf("document_boundaries: reset needs a vocabulary with a token that ends a document, %s has none", m.Recipe.Vocabulary.Kind)
	}
	net.Separator = &separator
	return net, nil
}

// Settings are the recipe's settings as package train takes them.
func Settings(r *recipe.Recipe) (train.Sizes, train.Optimizer, schedule.Schedule) {
	t := r.Train
	return train.Sizes{Batch: int(t.Batch), Context: int(t.Context), Accumulate: int(t.Accumulate), BFloat16: t.Precision == recipe.BFloat16},
		train.Optimizer{AdamWSpec: op.AdamWSpec{Beta1: t.Betas[0], Beta2: t.Betas[1], Eps: t.Eps, Decay: t.WeightDecay}, Clip: t.Clip, DecayAll: t.Decay == recipe.DecayAll},
		schedule.Schedule{Kind: schedule.Kind(t.Schedule), LR: t.LR, Steps: int(t.Steps), Warmup: int(t.Warmup), Final: t.FinalFraction, Decay: int(t.Cooldown)}
}

// Machine names what bit-equality depends on: the architecture and the kernel level.
func Machine() string { return runtime.GOARCH + "/" + kernel.Level() }

// machine is Machine for a precision: with bf16 the bits depend, too, on whether the
// processor multiplies bfloat16.
func machine(p recipe.Precision) string {
	switch {
	case p != recipe.BFloat16:
		return Machine()
	case kernel.BFloat16Dot():
		return Machine() + "+bf16dot"
	}
	return Machine() + "+bf16"
}

// Data tokenizes and splits texts as the recipe says.
func (m *Model) Data(ctx context.Context, docs []corpus.Document) (*data.Set, error) {
	t, err := m.Tokenizer()
	if err != nil {
		return nil, err
	}
	cache, err := os.UserCacheDir()
	if err == nil {
		cache = filepath.Join(cache, "moezoo", "tokens")
	} else {
		cache = "" // without a home there is no cache
	}
	return data.NewSet(ctx, docs, t, m.Recipe.Data.Holdout, cache)
}

// Train prepares a run of the recipe on a device.
func (m *Model) Train(o TrainOptions, set *data.Set, d backend.Device) (*train.Run, error) {
	task, err := m.Task()
	if err != nil {
		return nil, err
	}
	blobs, err := m.blobs()
	if err != nil {
		return nil, err
	}
	sizes, optimizer, sched := Settings(m.Recipe)
	sizes.Memory = o.Memory
	weights := ""
	if o.InitFrom != "" {
		c, err := checkpoint.Find(o.InitFrom)
		if err != nil {
			return nil, err
		}
		if weights, err = c.Path(train.ModelFile); err != nil {
			return nil, err
		}
	}
	t := m.Recipe.Train
	record, err := m.record(o.Label, set, threadsOf(d))
	if err != nil {
		return nil, err
	}
	run, err := train.New(train.Config{
		Dir: o.Dir, Sizes: sizes, Optimizer: optimizer, Schedule: sched, Seed: t.Seed,
		EvalEvery: int(t.EvalEvery), SaveEvery: int(t.SaveEvery), KeepLast: int(t.KeepLast), KeepBest: t.KeepBest,
		Blobs: blobs, Machine: machine(t.Precision), AnyMachine: o.AnyMachine, Resume: o.Resume, InitFrom: weights, Progress: o.Progress, Log: o.Log,
	}, task, set, d)
	if err != nil {
		return nil, err
	}
	if _, missing := os.Stat(filepath.Join(o.Dir, RecordFile)); o.Resume && missing == nil {
		return run, nil // it stays what the run began as
	}
	if err := record.Write(o.Dir); err != nil {
		run.Close()
		return nil, &checkpoint.EnvironmentError{Err: err}
	}
	return run, nil
}

// Plan is the plan of one micro-batch of training, and the memory that training takes;
// limit is how much it may take, 0 for any. Nothing is allocated to find out.
func (m *Model) Plan(d backend.Device, limit int) (*backend.Plan, train.Memory, error) {
	task, err := m.Task()
	if err != nil {
		return nil, train.Memory{}, err
	}
	sizes, _, _ := Settings(m.Recipe)
	sizes.Memory = limit
	plan, memory, err := train.Plan(task, sizes, d)
	if err != nil {
		return nil, train.Memory{}, fmt.Errorf("planning the training of %s: %w", m.Recipe.Name, err)
	}
	return plan, memory, nil
}

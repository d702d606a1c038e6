package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/safetensors"
	"github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// rules are what the other programs need to know of a training besides its weights: the text
// beside the tensors of the file.
type rules struct {
	LR      float64    `json:"lr"`
	Betas   [2]float64 `json:"betas"`
	Eps     float64    `json:"eps"`
	Decay   float64    `json:"decay"`
	Decayed []string   `json:"decayed"` // parameters
	Clip    float64    `json:"clip"`
	Balance float64    `json:"balance"` // weight of the routers' loss
	Rope    float64    `json:"rope"`    // base of attention's rotations, of whole heads in halves; 0 for none
	Checked int        `json:"checked"` // steps whose loss and gradient norm are told
}

// The rate moves the loss by much more than programs may differ, and not so much that what
// rounding does to the first steps, in which AdamW knows little but signs, grows.
const (
	rate    = 1e-4
	checked = 3
)

// training makes optimiser steps on one batch, always the same.
type training struct {
	*train.Engine
	count int
}

// step answers the loss before it and the gradients' norm.
func (t *training) step() (loss, norm float64, err error) {
	t.count++
	ctx := context.Background()
	if err := t.Accumulate(ctx, 0, [2]int64{1, int64(t.count)}); err != nil {
		return 0, 0, err
	}
	if norm, err = t.Update(ctx, t.count, rate); err != nil {
		return 0, 0, err
	}
	t.Report(func(name string, values []float64) {
		if name == "loss" {
			loss = values[0]
		}
	})
	return loss, norm, nil
}

// computeSteps trains a recipe from the weights in a file, which is written first, with a
// batch, where it does not exist.
func computeSteps(name string, settings []string, threads int, path string) error {
	r, err := recipe.Load(name, settings...)
	if err != nil {
		return err
	}
	h, err := plugins.NewHost(plugins.Config{InProcess: true, NotBeside: true, Checker: plugins.CheckFunctions})
	if err != nil {
		return err
	}
	defer h.Close()
	m, err := zoo.Build(context.Background(), r, h)
	if err != nil {
		return err
	}
	task, err := m.Task()
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := writeStart(m, task, path); err != nil {
			return err
		}
	}
	device := cpu.New(threads)
	defer device.Close()
	sizes, optimizer, _ := zoo.Settings(r)
	e, err := train.NewEngine(task, optimizer, sizes, device)
	if err != nil {
		return err
	}
	defer e.Close()
	if err := readStart(e, task, path); err != nil {
		return err
	}
	t := &training{Engine: e}
	var ready struct {
		Ready  string    `json:"ready"`
		Losses []float64 `json:"losses"`
		Norms  []float64 `json:"norms"`
	}
	ready.Ready = kernel.Level()
	for range checked {
		loss, norm, err := t.step()
		if err != nil {
			return err
		}
		ready.Losses, ready.Norms = append(ready.Losses, loss), append(ready.Norms, norm)
	}
	if err := json.NewEncoder(os.Stdout).Encode(ready); err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		err := answer(1, func() error {
			_, _, err := t.step()
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// writeStart writes the weights that training begins with, a batch, and the rules.
func writeStart(m *zoo.Model, task *train.Task, path string) error {
	sizes, o, _ := zoo.Settings(m.Recipe)
	r := rules{LR: rate, Betas: [2]float64{o.Beta1, o.Beta2}, Eps: o.Eps, Decay: o.Decay, Clip: o.Clip, Balance: balance(m), Rope: rotations(m), Checked: checked}
	var out []safetensors.Tensor
	add := func(name string, dtype safetensors.DType, t *backend.Tensor) {
		s := safetensors.Tensor{Name: name, DType: dtype, Data: t.Data}
		for _, n := range t.Shape {
			s.Shape = append(s.Shape, int64(n))
		}
		out = append(out, s)
	}
	for _, p := range task.Train.Params {
		shape, _ := p.Value.Shape().Ints()
		t := backend.NewTensor(graph.Float32, shape...)
		if err := task.Init(p, t.F32()); err != nil {
			return err
		}
		add(p.Value.Name, safetensors.F32, t)
		if p.Decay || o.DecayAll {
			r.Decayed = append(r.Decayed, p.Value.Name)
		}
	}
	text := corpus.Default()
	for i, name := range []string{"input_ids", "targets"} { // each byte's target is the next
		t := backend.NewTensor(graph.Int64, sizes.Batch, sizes.Context)
		for j := range t.I64() {
			t.I64()[j] = int64(text[i+j])
		}
		add(name, safetensors.I64, t)
	}
	told, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := safetensors.Write(f, out, map[string]string{"rules": string(told)}); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// balance is the weight of the first router's loss, 0 without a router: here all are alike.
func balance(m *zoo.Model) float64 {
	for _, router := range m.Net.Routers() {
		for _, l := range router.Losses {
			return l.Weight
		}
	}
	return 0
}

// rotations is the base of the first attention's: here all are alike.
func rotations(m *zoo.Model) float64 {
	for _, l := range m.Net.Layers {
		for _, b := range l.Branches {
			if a, ok := b.Block.(blocks.Attention); ok && a.Rope != nil {
				return a.Rope.Base
			}
		}
	}
	return 0
}

// readStart fills the engine's weights and its batch.
func readStart(e *train.Engine, task *train.Task, path string) error {
	f, err := safetensors.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	ids, targets := e.Batch()
	for name, to := range map[string][]int64{"input_ids": ids, "targets": targets} {
		from, err := f.Int64(name)
		if err != nil {
			return err
		}
		if len(from) != len(to) {
			return fmt.Errorf("%s: %s has %d numbers, want %d", path, name, len(from), len(to))
		}
		copy(to, from)
	}
	return e.Initialise(task.Train.Params, func(p *graph.Param, out []float32) error {
		w, err := f.Float32(p.Value.Name)
		if err == nil && copy(out, w) != len(out) {
			err = fmt.Errorf("%s: %s is too short", path, p.Value.Name)
		}
		return err
	})
}

package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/data"
	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/train/checkpoint"
	"github.com/moezoo/moezoo/zoo"
)

// training is what the flags of zoo train say.
type training struct {
	zoo.TrainOptions
	recipe   string // empty when a run's own is meant
	settings []string
	texts    []string
	json     bool
}

func trainCommand() *cobra.Command {
	var o training
	var steps int64
	var precision string
	var memory byteSize
	c := &cobra.Command{
		Use: "train RECIPE", Short: "Train a model, or continue a run",
		Long: `Train a model on texts. The run's folder holds checkpoints, run.json (what is run, and where), metrics.jsonl and TensorBoard events.
Ctrl-C saves and ends; --resume continues, bit for bit as if it had never stopped. --init-from begins
a new run with the weights of another, by default with its recipe; step, moments and data begin anew.

Data that zoo data prepare made has its own vocabulary, which the recipe gets, and its own held-out part.`,
		Example: `  zoo train moe-mamba-tiny --out runs/a
  zoo train moe-mamba-tiny --data book.txt --steps 500 --out runs/a --set train.lr=3e-4
  zoo train --resume --out runs/a --data book.txt
  zoo train moe-mamba-tiny --data prepared --out runs/p
  zoo train --init-from runs/a --data letters.txt --steps 100 --out runs/b`,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: completeRecipes,
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("steps") {
				o.settings = append(o.settings, fmt.Sprintf("train.steps=%d", steps))
			}
			if c.Flags().Changed("precision") {
				o.settings = append(o.settings, "train.precision="+precision)
			}
			if len(args) == 1 {
				o.recipe = args[0]
			}
			o.Memory = int(memory)
			return runTrain(c, &o)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&o.texts, "data", []string{corpus.DefaultName}, "text: a file, .gz, folder or -, or a folder of zoo data prepare; the embedded novel by default")
	f.StringVar(&o.Dir, "out", "", "folder of the run")
	f.Int64Var(&steps, "steps", 0, "optimiser steps, as --set train.steps=N")
	f.StringVar(&precision, "precision", "", "fp32, or bf16 for products of bfloat16 with float32 sums, as --set train.precision=bf16")
	f.StringArrayVar(&o.settings, "set", nil, "KEY=VALUE: change the recipe")
	f.BoolVar(&o.Resume, "resume", false, "continue the run in --out")
	f.StringVar(&o.InitFrom, "init-from", "", "begin with the weights of this run, or of one of its checkpoints")
	f.BoolVar(&o.AnyMachine, "any-machine", false, "resume where another processor would not give the same bits")
	f.Var(&memory, "memory", "how much training may take, such as 2GB: what does not fit is computed twice (default: what is free)")
	f.BoolVar(&o.json, "json", false, "for scripts")
	return c
}

func runTrain(c *cobra.Command, o *training) error {
	if err := o.check(); err != nil {
		return err
	}
	prepared, err := zoo.OpenPrepared(o.texts)
	if err != nil {
		return err
	}
	if prepared != nil && !o.Resume && o.recipe != "" { // settings that follow win
		o.settings = append([]string{"vocabulary=" + zoo.Vocabulary(prepared)}, o.settings...)
	}
	m, err := o.model(c)
	if err != nil {
		return err
	}
	set, err := readData(c, m, o.texts, prepared)
	if err != nil {
		return err
	}
	e, best, err := runTraining(c, m, set, o.TrainOptions)
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(c.OutOrStdout(), map[string]any{
			"run": o.Dir, "step": m.Recipe.Train.Steps, "held_out_loss": e.Nats, "bits_per_byte": e.BitsPerByte, "targets": e.Targets, "best_step": best,
		})
	}
	if e.Targets == 0 {
		fmt.Fprintf(c.OutOrStdout(), "run saved in %s; no text was held out to measure it on\n", o.Dir)
		return nil
	}
	fmt.Fprintf(c.OutOrStdout(), "held-out loss %.4f nats per token, %.4f bits per byte; run saved in %s\n", e.Nats, e.BitsPerByte, o.Dir)
	if path := checkpoint.Path(o.Dir, best); m.Recipe.Train.KeepBest && int64(best) < m.Recipe.Train.Steps {
		fmt.Fprintf(c.OutOrStdout(), "the loss was lowest at step %d, kept in %s\n", best, path)
	}
	return nil
}

// check refuses flags that do not go together.
func (o *training) check() error {
	if o.Dir == "" {
		return errors.New("train needs --out FOLDER for the run")
	}
	if info, err := os.Stat(o.Dir); err == nil && !info.IsDir() {
		return fmt.Errorf("--out %s: is a file, want a folder for the run", o.Dir)
	}
	switch {
	case o.Resume && o.InitFrom != "":
		return errors.New("--resume continues the run in --out, --init-from begins a new one: give one of them")
	case o.Resume && o.recipe != "":
		return errors.New("a run is resumed with the recipe it began with: leave out the recipe's name")
	case o.Resume && len(o.settings) > 0:
		return errors.New("a run is resumed with the recipe it began with: leave out --set, --steps and --precision")
	case !o.Resume && o.InitFrom == "" && o.recipe == "":
		return errors.New("train needs a recipe; see zoo list --kind recipe")
	}
	return nil
}

// readData is the set of texts, or of prepared data.
func readData(c *cobra.Command, m *zoo.Model, texts []string, prepared *data.Prepared) (*data.Set, error) {
	if prepared != nil {
		return m.UsePrepared(prepared)
	}
	docs, err := corpus.Read(c.InOrStdin(), texts...)
	if err != nil {
		return nil, err
	}
	return m.Data(c.Context(), docs)
}

// model is the model to train.
func (o *training) model(c *cobra.Command) (*zoo.Model, error) {
	switch {
	case o.Resume:
		return zoo.OpenModel(o.Dir)
	case o.recipe == "":
		return zoo.OpenModel(o.InitFrom, o.settings...)
	}
	return loadModel(c, o.recipe, o.settings)
}

// runTraining trains with a progress bar. best is the step of the lowest held-out loss.
func runTraining(c *cobra.Command, m *zoo.Model, set *data.Set, o zoo.TrainOptions) (e *train.Evaluation, best int, err error) {
	d, err := newDevice()
	if err != nil {
		return nil, 0, err
	}
	defer d.Close()
	if o.Memory == 0 {
		o.Memory = availableMemory()
	}
	bar := newBar(c.ErrOrStderr(), int(m.Recipe.Train.Steps))
	defer bar.done()
	o.Progress, o.Log = bar.step, bar.log
	run, err := m.Train(o, set, d)
	if tooLarge := (*train.TooLarge)(nil); errors.As(err, &tooLarge) {
		return nil, 0, deviceError{fmt.Errorf("%s: %w: choose a smaller train.batch or train.context, or a smaller model", m.Recipe.Name, err)}
	}
	if err != nil {
		return nil, 0, err
	}
	defer run.Close()
	// Steps allocate nothing: little garbage may pile up beside the arenas.
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	bar.start(run.Step())
	e, err = run.Train(c.Context())
	best, _ = run.Best()
	return e, best, err
}

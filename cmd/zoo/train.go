package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/data"
	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/zoo"
)

func trainCommand() *cobra.Command {
	var settings, texts []string
	var out string
	var steps int64
	var resume, anyMachine, asJSON bool
	var memory byteSize
	c := &cobra.Command{
		Use: "train RECIPE", Short: "Train a model, or continue a run",
		Long: `Train a model on texts. The run's folder holds checkpoints, metrics.jsonl and TensorBoard events.
Ctrl-C saves and ends; --resume continues, bit for bit as if it had never stopped.`,
		Example: `  zoo train moe-mamba-tiny --out runs/a
  zoo train moe-mamba-tiny --data book.txt --steps 500 --out runs/a --set train.lr=3e-4
  zoo train --resume --out runs/a --data book.txt`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if out == "" {
				return errors.New("train needs --out FOLDER for the run")
			}
			if info, err := os.Stat(out); err == nil && !info.IsDir() {
				return fmt.Errorf("--out %s: is a file, want a folder for the run", out)
			}
			var m *zoo.Model
			var err error
			switch {
			case resume && len(args) == 0:
				if len(settings) > 0 || steps > 0 {
					return errors.New("a run is resumed with the recipe it began with: leave out --set and --steps")
				}
				m, err = zoo.OpenModel(out)
			case resume:
				return errors.New("a run is resumed with the recipe it began with: leave out the recipe's name")
			case len(args) == 0:
				return errors.New("train needs a recipe; see zoo list --kind recipe")
			default:
				if c.Flags().Changed("steps") {
					settings = append(settings, fmt.Sprintf("train.steps=%d", steps))
				}
				m, err = loadModel(c, args[0], settings)
			}
			if err != nil {
				return err
			}
			docs, err := corpus.Read(c.InOrStdin(), texts...)
			if err != nil {
				return err
			}
			set, err := m.Data(c.Context(), docs)
			if err != nil {
				return err
			}
			e, err := runTraining(c, m, set, zoo.TrainOptions{Dir: out, Resume: resume, AnyMachine: anyMachine, Memory: int(memory)})
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), map[string]any{"run": out, "held_out_loss": e.Nats, "bits_per_byte": e.BitsPerByte, "targets": e.Targets})
			}
			fmt.Fprintf(c.OutOrStdout(), "held-out loss %.4f nats per token, %.4f bits per byte; run saved in %s\n", e.Nats, e.BitsPerByte, out)
			return nil
		},
	}
	f := c.Flags()
	f.StringArrayVar(&texts, "data", []string{corpus.DefaultName}, "text: a file, .gz, folder or - ; the embedded novel by default")
	f.StringVar(&out, "out", "", "folder of the run")
	f.Int64Var(&steps, "steps", 0, "optimiser steps, as --set train.steps=N")
	f.StringArrayVar(&settings, "set", nil, "KEY=VALUE: change the recipe")
	f.BoolVar(&resume, "resume", false, "continue the run in --out")
	f.BoolVar(&anyMachine, "any-machine", false, "resume where another processor would not give the same bits")
	f.Var(&memory, "memory", "how much training may take, such as 2GB: what does not fit is computed twice (default: what is free)")
	f.BoolVar(&asJSON, "json", false, "for scripts")
	return c
}

// runTraining trains with a progress bar.
func runTraining(c *cobra.Command, m *zoo.Model, set *data.Set, o zoo.TrainOptions) (*train.Evaluation, error) {
	d, err := newDevice()
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if o.Memory == 0 {
		o.Memory = availableMemory()
	}
	if raw, err := os.ReadFile(filepath.Join(lockFolder(), zoo.LockFile)); err == nil {
		o.Lock = raw
	}
	bar := newBar(c.ErrOrStderr(), int(m.Recipe.Train.Steps))
	defer bar.done()
	o.Progress, o.Log = bar.step, bar.log
	run, err := m.Train(o, set, d)
	if tooLarge := (*train.TooLarge)(nil); errors.As(err, &tooLarge) {
		return nil, deviceError{fmt.Errorf("%s: %w: choose a smaller train.batch or train.context, or a smaller model", m.Recipe.Name, err)}
	}
	if err != nil {
		return nil, err
	}
	defer run.Close()
	// Steps allocate nothing: little garbage may pile up beside the arenas.
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	bar.start(run.Step())
	return run.Train(c.Context())
}

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/zoo"
)

func evalCommand() *cobra.Command {
	var texts []string
	var asJSON, all bool
	c := &cobra.Command{
		Use: "eval RUN", Short: "Measure a run's loss on held-out text",
		Example: "  zoo eval runs/a\n  zoo eval runs/a --data other.txt --all --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			t, err := openRun(c, args[0])
			if err != nil {
				return err
			}
			docs, err := corpus.Read(c.InOrStdin(), texts...)
			if err != nil {
				return err
			}
			set, err := t.Data(c.Context(), docs)
			if err != nil {
				return err
			}
			if all {
				set = set.AllHeld()
			}
			e, err := t.Evaluate(c.Context(), set)
			if err != nil {
				return err
			}
			if e.Targets == 0 {
				return fmt.Errorf("%s: nothing is held out of so short a text; --all measures on all of it", strings.Join(texts, ", "))
			}
			base, err := set.Baselines()
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), map[string]any{"run": args[0], "step": t.Step, "data": texts, "loss": e.Nats, "bits_per_byte": e.BitsPerByte, "targets": e.Targets, "baselines": base})
			}
			fmt.Fprintf(c.OutOrStdout(), "step %d: %.4f nats per token, %.4f bits per byte over %d tokens of %s (gzip -9: %.4f)\n",
				t.Step, e.Nats, e.BitsPerByte, e.Targets, strings.Join(texts, ", "), base.Gzip)
			return nil
		},
	}
	c.Flags().StringArrayVar(&texts, "data", []string{corpus.DefaultName}, "text: a file, .gz, folder or -")
	c.Flags().BoolVar(&all, "all", false, "measure on the whole text instead of its held-out part")
	c.Flags().BoolVar(&asJSON, "json", false, "for scripts")
	return c
}

// openRun loads a run and says when it is not the latest checkpoint.
func openRun(c *cobra.Command, dir string) (*zoo.Trained, error) {
	d, err := newDevice()
	if err != nil {
		return nil, err
	}
	t, err := zoo.Open(dir, d)
	if err == nil && t.Note != "" {
		fmt.Fprintln(c.ErrOrStderr(), "note: "+t.Note)
	}
	return t, err
}

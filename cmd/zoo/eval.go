package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/data"
	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/graph/narrow"
	"github.com/moezoo/moezoo/zoo"
)

func evalCommand() *cobra.Command {
	var texts, weights []string
	var asJSON, all bool
	c := &cobra.Command{
		Use: "eval RUN", Short: "Measure a run's loss on held-out text",
		Example: "  zoo eval runs/a\n  zoo eval runs/a --data other.txt --all --json\n  zoo eval runs/a --weights bf16,int8",
		Args:    exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			kinds, err := parseKinds(weights, narrow.BFloat16, narrow.Float16, narrow.Int8)
			if err != nil {
				return err
			}
			t, err := openRun(c, args[0], narrow.Float32)
			if err != nil {
				return err
			}
			prepared, err := zoo.OpenPrepared(texts)
			if err != nil {
				return err
			}
			set, err := readData(c, t.Model, texts, prepared)
			if err != nil {
				return err
			}
			if all {
				set = set.AllHeld()
			}
			return evaluate(c, t, set, texts, kinds, asJSON)
		},
	}
	c.Flags().StringArrayVar(&texts, "data", []string{corpus.DefaultName}, "text: a file, .gz, folder or -, or a folder of zoo data prepare")
	c.Flags().StringSliceVar(&weights, "weights", nil, "measure rounded weights beside fp32, too: bf16, fp16, int8")
	c.Flags().BoolVar(&all, "all", false, "measure on the whole text instead of its held-out part")
	c.Flags().BoolVar(&asJSON, "json", false, "for scripts")
	return c
}

// parseKinds reads the values of a --weights.
func parseKinds(values []string, allowed ...narrow.Kind) ([]narrow.Kind, error) {
	var kinds []narrow.Kind
	for _, v := range values {
		k, err := narrow.Parse(v, allowed...)
		if err != nil {
			return nil, fmt.Errorf("--%w", err)
		}
		kinds = append(kinds, k)
	}
	return kinds, nil
}

// rounded is what a kind of weights costs.
type rounded struct {
	Kind        narrow.Kind `json:"kind"`
	Nats        float64     `json:"loss"`
	Difference  float64     `json:"loss_difference"` // to fp32
	BitsPerByte float64     `json:"bits_per_byte"`
	Bytes       int         `json:"weight_bytes"`
}

func evaluate(c *cobra.Command, t *zoo.Trained, set *data.Set, texts []string, kinds []narrow.Kind, asJSON bool) error {
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
	var others []rounded
	for _, k := range kinds {
		n, err := openRun(c, t.Dir, k)
		if err != nil {
			return err
		}
		r, err := n.Evaluate(c.Context(), set)
		if err != nil {
			return err
		}
		others = append(others, rounded{k, r.Nats, r.Nats - e.Nats, r.BitsPerByte, n.Weights.Size()})
	}
	if asJSON {
		report := map[string]any{"run": t.Dir, "step": t.Step, "data": texts, "loss": e.Nats, "bits_per_byte": e.BitsPerByte, "targets": e.Targets, "baselines": base}
		if len(others) > 0 {
			report["weight_bytes"], report["weights"] = t.Weights.Size(), others
		}
		return printJSON(c.OutOrStdout(), report)
	}
	out := c.OutOrStdout()
	fmt.Fprintf(out, "step %d: %.4f nats per token, %.4f bits per byte over %d tokens of %s (gzip -9: %.4f)\n",
		t.Step, e.Nats, e.BitsPerByte, e.Targets, strings.Join(texts, ", "), base.Gzip)
	printRounded(out, others, t.Weights.Size())
	return nil
}

func printRounded(out io.Writer, others []rounded, whole int) {
	for _, r := range others {
		fmt.Fprintf(out, "%s weights: %.4f nats per token, %+.2g beside fp32; %s instead of %s\n", r.Kind, r.Nats, r.Difference, megabytes(r.Bytes), megabytes(whole))
	}
}

// openRun loads a run and says when it is not the latest checkpoint.
func openRun(c *cobra.Command, dir string, weights narrow.Kind) (*zoo.Trained, error) {
	d, err := newDevice()
	if err != nil {
		return nil, err
	}
	t, err := zoo.OpenAs(dir, weights, d)
	if err == nil && t.Note != "" {
		fmt.Fprintln(c.ErrOrStderr(), "note: "+t.Note)
	}
	return t, err
}

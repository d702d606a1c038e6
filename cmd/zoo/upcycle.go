package main

import (
	"errors"
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/graph/narrow"
	"github.com/moezoo/moezoo/zoo"
)

func upcycleCommand() *cobra.Command {
	var o zoo.UpcycleOptions
	var out string
	var asJSON bool
	c := &cobra.Command{
		Use: "upcycle RUN --experts E --out OTHER", Short: "Make a run with experts out of a dense one",
		Long: `Make a run in which every dense layer (ff) is a Mixture-of-Experts layer whose experts are copies of it
(arXiv 2212.05055). Everything else keeps its weights; routers begin as in a new model. With a router whose weights
of a token sum to 1, as topk's do, and without noise, the new run computes what the dense one did; the command
runs both and says how far they are apart. --noise S lets the experts differ from the start: it adds to each weight a
normal number of S times the root mean square of the weights beside it.

The run generates, evaluates and exports like any other. Training goes on in a new run that begins with its
weights: zoo train --init-from OTHER --out THIRD. Recipes with mamba, attention and ff layers, also of imported
checkpoints, can be upcycled; a shared_transformer keeps its dense layer.`,
		Example: `  zoo upcycle runs/dense --experts 8 --top-k 2 --out runs/moe
  zoo upcycle runs/dense --experts 8 --noise 0.05 --layers 3,7 --out runs/moe
  zoo upcycle runs/dense --experts 4 --router sigmoid --set train.lr=1e-4 --out runs/moe
  zoo train --init-from runs/moe --data book.txt --steps 500 --out runs/trained`,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if out == "" {
				return errors.New("upcycle needs --out FOLDER for the new run")
			}
			if o.Experts < 1 {
				return errors.New("upcycle needs --experts E, how many copies of a dense layer there are")
			}
			return runUpcycle(c, args[0], out, o, asJSON)
		},
	}
	f := c.Flags()
	f.StringVar(&out, "out", "", "folder of the new run")
	f.Int64Var(&o.Experts, "experts", 0, "experts in each layer")
	f.Int64Var(&o.TopK, "top-k", 1, "experts that each token takes")
	f.StringVar(&o.Router.Name, "router", "topk", "router; its options by --set layers.moe.router={use: topk, balance: 0.02}")
	f.Float64Var(&o.Noise, "noise", 0, "how far the copies differ, in units of a weight's root mean square")
	f.IntSliceVar(&o.Layers, "layers", nil, "only these layers, as parameters count them: 3,7 for layers.3 and layers.7")
	f.StringArrayVar(&o.Settings, "set", nil, "KEY=VALUE: change the new recipe")
	f.BoolVar(&asJSON, "json", false, "for scripts")
	return c
}

func runUpcycle(c *cobra.Command, run, out string, o zoo.UpcycleOptions, asJSON bool) error {
	h, err := newHost()
	if err != nil {
		return err
	}
	m, err := zoo.Upcycle(c.Context(), run, out, o, h)
	if err != nil {
		return err
	}
	for _, n := range m.Notes {
		fmt.Fprintln(c.ErrOrStderr(), "note: "+n)
	}
	counts, err := m.Net.Count(1)
	if err != nil {
		return err
	}
	apart, err := difference(c, run, out)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(c.OutOrStdout(), map[string]any{
			"run": out, "layers": m.Layers, "parameters": counts.Total, "active_parameters": counts.Active, "largest_logit_difference": apart,
		})
	}
	fmt.Fprintf(c.OutOrStdout(), "%d layers became experts: %s parameters, %s of them active; logits differ from the dense run's by at most %.2g; run saved in %s\n",
		len(m.Layers), human(counts.Total), human(counts.Active), apart, out)
	return nil
}

// difference is the largest difference between two runs' logits on a few tokens.
func difference(c *cobra.Command, runs ...string) (float64, error) {
	const batch, length = 2, 16
	var logits [][]float32
	for _, dir := range runs {
		t, err := openRun(c, dir, narrow.Float32)
		if err != nil {
			return 0, err
		}
		l := length
		if most := t.Net.MaxLearned; most > 0 {
			l = min(l, int(most))
		}
		ids := make([]int64, batch*l)
		for i := range ids {
			ids[i] = int64(i*i*31+i*7) % t.Net.Vocabulary
		}
		v, err := t.Forward(c.Context(), ids, batch, l)
		if err != nil {
			return 0, err
		}
		logits = append(logits, v)
	}
	worst := 0.0
	for i, x := range logits[0] {
		worst = math.Max(worst, math.Abs(float64(x-logits[1][i])))
	}
	return worst, nil
}

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/bench"
	"github.com/moezoo/moezoo/graph/narrow"
	"github.com/moezoo/moezoo/internal/whole"
	"github.com/moezoo/moezoo/zoo"
)

func benchCommand() *cobra.Command {
	o := bench.Options{Repeats: 5, Prompt: 512}
	known := slices.Concat(bench.Parts, bench.Growth)
	var settings []string
	var asJSON bool
	var profile, before string
	var weights []string
	c := &cobra.Command{
		Use: "bench [RECIPE]", Short: "Measure training and generation beside what the machine could do at best",
		Long: `Measure operators, a block, a training step, prefill and decoding of a recipe, beside the
machine's peaks of multiply-adds and of reading memory, which are measured first. Weights are
those that training begins with. Numbers of a machine that does other work, too, differ from
run to run: compare cpu with wall time, and best with worst.

--what tokens, layers, experts or context measures how cost grows: training steps of one row
with 1 k to 64 k tokens, of 1 to 8 repeats of the layers, of 8 to 64 experts, and decoding
behind 64 to 64 k tokens.`,
		Example: `  zoo bench moe-mamba-tiny
  zoo bench moe-mamba-tiny --set d_model=256 --what step --profile step.svg
  zoo bench moe-mamba-tiny --what tokens,context
  zoo bench moe-mamba-100m --what decode --weights int8
  zoo bench --json > before.json
  zoo bench --compare before.json`,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: completeRecipes,
		RunE: func(c *cobra.Command, args []string) error {
			name := "moe-mamba-tiny"
			if len(args) == 1 {
				name = args[0]
			}
			for _, part := range o.Parts {
				if !slices.Contains(known, part) {
					return fmt.Errorf("--what %s: want %s", part, strings.Join(known, ", "))
				}
			}
			if profile != "" && len(o.Parts) > 0 && !slices.Contains(o.Parts, "step") && !slices.Contains(o.Parts, "operators") {
				return fmt.Errorf("--profile draws a training step: want step among --what")
			}
			var err error
			if o.Weights, err = parseKinds(weights, narrow.Float32, narrow.BFloat16, narrow.Int8); err != nil {
				return err
			}
			var old *bench.Report
			if before != "" { // read before the work
				var err error
				if old, err = bench.ReadReport(before); err != nil {
					return err
				}
			}
			m, err := loadModel(c, name, settings)
			if err != nil {
				return err
			}
			o.Change = func(more ...string) (*zoo.Model, error) {
				return loadModel(c, name, slices.Concat(settings, more))
			}
			d, err := newDevice()
			if err != nil {
				return err
			}
			defer d.Close()
			r, err := bench.Run(c.Context(), m, d.(*cpu.Device), o, func(part string) {
				if !asJSON {
					fmt.Fprintln(c.ErrOrStderr(), "measuring "+part)
				}
			})
			if err != nil {
				return err
			}
			if profile != "" {
				if err := whole.WriteFunc(profile, 0o666, func(w io.Writer) error { return bench.WriteFlame(w, r) }); err != nil {
					return err
				}
			}
			if old != nil {
				r.Compared = bench.Compare(r, old)
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), r)
			}
			return printBench(c.OutOrStdout(), r, old, profile != "")
		},
	}
	f := c.Flags()
	f.StringArrayVar(&settings, "set", nil, "KEY=VALUE: change the recipe, as in train.batch=4")
	f.StringSliceVar(&o.Parts, "what", nil, "parts to measure: "+strings.Join(known, ", ")+" (default the first five)")
	f.StringSliceVar(&weights, "weights", []string{"fp32", "bf16", "int8"}, "what prefill and decoding have their weights in")
	f.IntVar(&o.Repeats, "repeats", o.Repeats, "measurements of each row")
	f.IntVar(&o.Prompt, "prompt", o.Prompt, "tokens of a prefill")
	f.BoolVar(&asJSON, "json", false, "for scripts, and for --compare")
	f.StringVar(&profile, "profile", "", "draw where the time of a training step went, as an SVG, and list its operators")
	f.StringVar(&before, "compare", "", "an earlier report, as --json writes it")
	return c
}

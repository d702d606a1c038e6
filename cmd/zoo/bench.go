package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/bench"
)

func benchCommand() *cobra.Command {
	o := bench.Options{Repeats: 5, Prompt: 512}
	var settings []string
	var asJSON bool
	var profile, before string
	c := &cobra.Command{
		Use: "bench [RECIPE]", Short: "Measure training and generation beside what the machine could do at best",
		Long: `Measure a training step, prefill and decoding of a recipe, beside the machine's peaks of
multiply-adds and of reading memory, which are measured first. Weights are those that
training begins with. Numbers of a machine that does other work, too, differ from run to run:
compare cpu with wall time, and best with worst.`,
		Example: `  zoo bench moe-mamba-tiny
  zoo bench moe-mamba-tiny --set d_model=256 --what step --profile step.svg
  zoo bench --json > before.json
  zoo bench --compare before.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			name := "moe-mamba-tiny"
			if len(args) == 1 {
				name = args[0]
			}
			for _, part := range o.Parts {
				if !slices.Contains(bench.Parts, part) {
					return fmt.Errorf("--what %s: want %s", part, strings.Join(bench.Parts, ", "))
				}
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
				if err := writeFlame(profile, r); err != nil {
					return err
				}
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), r)
			}
			return printBench(c, r, old, profile)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&settings, "set", nil, "KEY=VALUE: change the recipe, as in train.batch=4")
	f.StringSliceVar(&o.Parts, "what", nil, "parts to measure: step, prefill, decode (default all)")
	f.IntVar(&o.Repeats, "repeats", o.Repeats, "measurements of each row")
	f.IntVar(&o.Prompt, "prompt", o.Prompt, "tokens of a prefill")
	f.BoolVar(&asJSON, "json", false, "for scripts, and for --compare")
	f.StringVar(&profile, "profile", "", "draw where the time of a training step went, as an SVG, and list its operators")
	f.StringVar(&before, "compare", "", "an earlier report, as --json writes it")
	return c
}

// writeFlame writes the drawing whole or not at all.
func writeFlame(path string, r *bench.Report) error {
	temp := path + ".tmp"
	f, err := os.Create(temp)
	if err != nil {
		return err
	}
	err = bench.WriteFlame(f, r)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp)
	}
	return err
}

func printBench(c *cobra.Command, r, old *bench.Report, profile string) error {
	out := c.OutOrStdout()
	fmt.Fprintf(out, "%s on %s, %d threads, %s, %d repeats\n", r.Recipe, r.Machine, r.Threads, r.Go, r.Repeats)
	fmt.Fprintf(out, "peaks: %.1f GFLOP/s of multiply-adds, %.1f GB/s of reading; largest resident set %s\n\n", r.Peak.GFLOPS, r.Peak.ReadGBPS, megabytes(r.Memory))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "best ms\tmedian ms\tworst ms\tcpu ms\ttokens/s\tGFLOP/s\tof peak\t \t")
	for _, row := range r.Rows {
		fmt.Fprintf(w, "%.2f\t%.2f\t%.2f\t%.2f\t%.0f\t%.1f\t%.0f %% of %s\t  %s\t\n", row.Best, row.Median, row.Worst, row.CPU, row.TokensPerS, row.GFLOPS, 100*row.Share, row.Bound, row.Name)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if profile != "" {
		printOperators(c, r)
	}
	if old != nil {
		fmt.Fprintf(out, "\nbeside the earlier report (%s on %s):\n", old.Recipe, old.Machine)
		for _, x := range bench.Compare(r, old) {
			sure := "within the spread"
			if x.Clear {
				sure = "beyond the spread"
			}
			fmt.Fprintf(out, "  %.2f times as fast, %s: %s\n", x.Faster, sure, x.Name)
		}
	}
	return nil
}

// printOperators lists where the time of a step went.
func printOperators(c *cobra.Command, r *bench.Report) {
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nms\tshare\tcalls\tGFLOP/s\t \t")
	for _, o := range r.Profile {
		if o.Share < 0.002 {
			break
		}
		fmt.Fprintf(w, "%.2f\t%.1f %%\t%d\t%.1f\t  %s\t\n", o.Ms, 100*o.Share, o.Count, o.GFLOPS, o.Name)
	}
	_ = w.Flush()
}

package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/moezoo/moezoo/bench"
)

// leastShare is the part of a step's operators below which one is not printed; --json has all.
const leastShare = 0.01

func printBench(out io.Writer, r, old *bench.Report, profile bool) error {
	fmt.Fprintf(out, "%s on %s, %d threads, %s, %d repeats\n", r.Recipe, r.Machine, r.Threads, r.Go, r.Repeats)
	fmt.Fprintf(out, "peaks: %.1f GFLOP/s of multiply-adds, %.1f GB/s of reading\n", r.Peak.GFLOPS, r.Peak.ReadGBPS)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	if len(r.Rows) > 0 {
		fmt.Fprintln(w, "\nbest ms\tmedian ms\tworst ms\tcpu ms\ttokens/s\tGFLOP/s\tof peak\tmemory\t")
	}
	for _, row := range r.Rows {
		fmt.Fprintf(w, "%.2f\t%.2f\t%.2f\t%.2f\t%.0f\t%.1f\t%.0f %% of %s\t%s\t  %s\n", row.Best, row.Median, row.Worst, row.CPU, row.TokensPerS, row.GFLOPS, 100*row.Share, row.Bound, megabytes(row.Memory), row.Name)
	}
	printOperators(w, r)
	if profile {
		printProfile(w, r)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, c := range r.Curves {
		fmt.Fprintf(out, "\nwith %s from %d to %d: %.2f times as long", c.What, c.Extents[0], c.Extents[len(c.Extents)-1], c.Ratio)
		fmt.Fprintf(out, "; %.3g ms + %.3g ms for each, off by at most %.0f %%\n", c.Fixed, c.PerUnit, 100*c.Off)
		fmt.Fprintf(out, "  in processor time: %.2f times; %.3g ms + %.3g ms for each, off by at most %.0f %%\n", c.CPU.Ratio, c.CPU.Fixed, c.CPU.PerUnit, 100*c.CPU.Off)
	}
	if old != nil {
		fmt.Fprintf(out, "\nbeside the earlier report (%s on %s, %d threads):\n", old.Recipe, old.Machine, old.Threads)
		for _, x := range r.Compared {
			sure := "within the spread"
			if x.Clear {
				sure = "beyond the spread"
			}
			fmt.Fprintf(out, "  %.2f times as fast, %s: %s\n", x.Faster, sure, x.Name)
		}
	}
	return nil
}

// printOperators lists the operators at their sizes, the dearest first.
func printOperators(w *tabwriter.Writer, r *bench.Report) {
	total := 0.0
	for _, row := range r.Operators {
		total += row.Median
	}
	if total > 0 {
		fmt.Fprintln(w, "\nbest ms\tmedian ms\tworst ms\tcore ns/element\tGFLOP/s\tGB/s\tof peak\t")
	}
	for _, row := range r.Operators {
		if row.Median < leastShare*total {
			break
		}
		fmt.Fprintf(w, "%.2f\t%.2f\t%.2f\t%.2f\t%.1f\t%.1f\t%.0f %% of %s\t  %s\n", row.Best, row.Median, row.Worst, row.Nanoseconds, row.GFLOPS, row.GBPS, 100*row.Share, row.Bound, row.Name)
	}
}

// printProfile lists where the time of a step went.
func printProfile(w *tabwriter.Writer, r *bench.Report) {
	fmt.Fprintln(w, "\nms\tshare\tcalls\tGFLOP/s\t")
	for _, o := range r.Profile {
		if o.Share < leastShare {
			break
		}
		fmt.Fprintf(w, "%.2f\t%.1f %%\t%d\t%.1f\t  %s\n", o.Ms, 100*o.Share, o.Count, o.GFLOPS, o.Name)
	}
}

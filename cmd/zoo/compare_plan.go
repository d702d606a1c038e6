package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/report/plot"
	"github.com/moezoo/moezoo/study"
)

func comparePlanCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "plan FILE", Short: "List the runs of a study with what each takes; trains nothing",
		Example: "  zoo compare plan examples/studies/paper/debug.yaml",
		Args:    exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			s, _, err := loadStudy(c, args[0], "")
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "task\trun\tsteps\ttokens\tactive\tall\toperations")
			for _, t := range s.Tasks() {
				size, err := t.Size(study.NoRate)
				if err != nil {
					return err
				}
				fmt.Fprintf(w, "%d\t%s\t%d\t%s\t%s\t%s\t%s\n", t.Index, t.Name, size.Steps, plot.Short(float64(size.Tokens)), human(t.Model.Counts.PaperActive), human(t.Model.Counts.PaperTotal), plot.Short(size.FLOPs))
			}
			return w.Flush()
		},
	}
	return c
}

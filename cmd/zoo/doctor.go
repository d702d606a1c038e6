package main

import (
	"fmt"
	"runtime"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/export/ort"
)

// finding is one line of zoo doctor.
type finding struct {
	What   string `json:"what"`
	State  string `json:"state"`
	Repair string `json:"repair,omitempty"` // the command that repairs it
}

func doctorCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "doctor", Short: "Look at processor, runtimes and plugins, and say what repairs each finding",
		Example: "  zoo doctor\n  zoo doctor --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			found := examine()
			if asJSON {
				return printJSON(c.OutOrStdout(), found)
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, f := range found {
				fmt.Fprintf(w, "%s\t%s\n", f.What, f.State)
				if f.Repair != "" {
					fmt.Fprintf(w, "\trepair: %s\n", f.Repair)
				}
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "for scripts")
	return c
}

func examine() []finding {
	out := []finding{
		{"processor", fmt.Sprintf("%s/%s, %d threads", runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0)), ""},
		{"kernels", fmt.Sprintf("%s, of %v on this machine", kernel.Level(), kernel.Levels()), ""},
		{"memory", megabytes(availableMemory()) + " free", ""},
		{"cuda", "not supported yet: this program computes on the cpu", ""},
	}
	if rt, err := ort.Find(); err != nil {
		out = append(out, finding{"ONNX Runtime", "not found: exports cannot be verified", "zoo runtime install"})
	} else if err := ort.Available(); err != nil {
		out = append(out, finding{"ONNX Runtime", fmt.Sprintf("%s at %s: %v", rt.Version, rt.Path, err), "build zoo with CGO_ENABLED=1"})
	} else {
		out = append(out, finding{"ONNX Runtime", fmt.Sprintf("%s at %s", rt.Version, rt.Path), ""})
	}
	h, err := newHost()
	if err != nil {
		return append(out, finding{"plugins", err.Error(), ""})
	}
	for _, f := range h.List() {
		state := string(f.Source)
		if f.Path != "" {
			state += ", " + f.Path
		}
		repair := ""
		if f.Problem != "" {
			state, repair = f.Problem, "zoo plugin install "+f.Path
		}
		out = append(out, finding{"plugin " + f.Name, state, repair})
	}
	return out
}

package main

import (
	"fmt"
	"path"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// listed is one line of zoo list.
type listed struct {
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	Doc   string `json:"doc"`
	Paper string `json:"paper,omitempty"`
	Notes string `json:"notes,omitempty"`
}

// kinds of what is listed.
var kinds = []string{"recipe", "mixer", "router", "expert"}

func listCommand() *cobra.Command {
	var kind string
	var asJSON bool
	c := &cobra.Command{
		Use: "list [PATTERN]", Short: "List recipes, mixers, routers and experts",
		Example: "  zoo list\n  zoo list 'moe*' --kind recipe\n  zoo list --kind router --json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			pattern := "*"
			if len(args) == 1 {
				pattern = args[0]
			}
			if _, err := path.Match(pattern, ""); err != nil {
				return fmt.Errorf("pattern %q: %w", pattern, err)
			}
			if kind != "" && !slices.Contains(kinds, kind) {
				return fmt.Errorf("--kind %s: want recipe, mixer, router or expert", kind)
			}
			all, err := everything()
			if err != nil {
				return err
			}
			kept := []listed{}
			for _, l := range all {
				if ok, _ := path.Match(pattern, l.Name); ok && (kind == "" || kind == l.Kind) {
					kept = append(kept, l)
				}
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), kept)
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "KIND\tNAME\tWHAT\tNOTES\tPAPER")
			for _, l := range kept {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", l.Kind, l.Name, l.Doc, l.Notes, l.Paper)
			}
			return w.Flush()
		},
	}
	c.Flags().StringVar(&kind, "kind", "", "recipe, mixer, router or expert")
	c.Flags().BoolVar(&asJSON, "json", false, "for scripts")
	completeFlag(c, "kind", kinds...)
	return c
}

// everything lists what there is. Built-in and installed plugins are described without
// starting a process.
func everything() ([]listed, error) {
	var out []listed
	for _, e := range recipe.List() {
		out = append(out, listed{"recipe", e.Name, e.Doc, e.Paper, ""})
	}
	for _, m := range recipe.Mixers() { // all of them run stepwise and are exported
		out = append(out, listed{"mixer", m.Name, m.Doc, m.Paper, "causal, onnx"})
	}
	h, err := newHost()
	if err != nil {
		return nil, err
	}
	for _, f := range h.List() {
		if f.Description == nil {
			continue
		}
		for _, v := range f.Description.Variants {
			name := v.Name
			if f.Source != plugins.SourceBuiltin {
				name = f.Name + "/" + v.Name
			}
			out = append(out, listed{string(v.Kind), name, v.Doc, v.Paper, v.Capabilities.List()})
		}
	}
	return out, nil
}

package main

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// listed is one line of zoo list.
type listed struct {
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	Doc   string `json:"doc"`
	Paper string `json:"paper,omitempty"`
	// Capabilities are what tests found; nil for recipes and for what is not built in.
	Capabilities *zoo.Capability `json:"capabilities,omitempty"`
	// Says is what a router or an expert says of itself.
	Says string `json:"says,omitempty"`
}

// columns are the capabilities as cells: a question mark for what no test here has tried.
func (l listed) columns() []string {
	switch c := l.Capabilities; {
	case l.Kind == "recipe":
		return make([]string, 5)
	case c == nil:
		return []string{"?", "?", "?", "?", "?"}
	default:
		return []string{string(c.Causal), zoo.YesNo(c.Step), zoo.YesNo(c.Gradient), zoo.YesNo(c.ONNX), strings.Join(c.Backends, " ")}
	}
}

// kinds of what is listed.
var kinds = []string{"recipe", "mixer", "router", "expert"}

func listCommand() *cobra.Command {
	var kind string
	var asJSON bool
	c := &cobra.Command{
		Use: "list [PATTERN]", Short: "List recipes, mixers, routers and experts",
		Long: `List recipes, mixers, routers and experts. The columns CAUSAL to BACKENDS are what tests found of what is built
in: later tokens change nothing, pieces are the whole sequence, gradients are those of the loss, an ONNX file has
the same numbers. A question mark is a plugin's that nobody has tried here: zoo check all --router NAME does.`,
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
			fmt.Fprintln(w, "KIND\tNAME\tCAUSAL\tSTEPS\tGRADIENT\tONNX\tBACKENDS\tWHAT\tSAYS OF ITSELF\tPAPER")
			for _, l := range kept {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", l.Kind, l.Name, strings.Join(l.columns(), "\t"), l.Doc, l.Says, l.Paper)
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
		out = append(out, listed{Kind: "recipe", Name: e.Name, Doc: e.Doc, Paper: e.Paper})
	}
	for _, m := range recipe.Mixers() {
		out = append(out, listed{Kind: "mixer", Name: m.Name, Doc: m.Doc, Paper: m.Paper, Capabilities: tested("mixer", m.Name)})
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
			l := listed{Kind: string(v.Kind), Name: f.Name + "/" + v.Name, Doc: v.Doc, Paper: v.Paper, Says: v.Capabilities.List()}
			if f.Source == plugins.SourceBuiltin {
				l.Name, l.Capabilities = v.Name, tested(l.Kind, v.Name)
			}
			out = append(out, l)
		}
	}
	return out, nil
}

// tested is what tests found of a part that is built in.
func tested(kind, name string) *zoo.Capability {
	for _, c := range zoo.Capabilities() {
		if c.Kind == kind && c.Name == name {
			return &c
		}
	}
	return nil
}

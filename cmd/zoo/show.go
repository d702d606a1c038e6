package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/internal/whole"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/show"
)

func showCommand() *cobra.Command {
	var settings []string
	var svg string
	var asJSON bool
	c := &cobra.Command{
		Use: "show RECIPE|RUN", Short: "Draw a model's stack: blocks, widths, parameters, states, plugins",
		Long: `Draw what a model is made of, from the tokens to the logits: a line for each block, with what it carries
from token to token, and brackets around what repeats or stands side by side. Parameters are those of one
repetition. Nothing is allocated: models of any size are drawn.`,
		Example: "  zoo show moe-mamba-tiny\n  zoo show jamba-v0.1 --svg jamba.svg\n  zoo show runs/a --json\n  zoo show mine.yaml --set layers.moe.router=topk",
		Args:    exactly(1), ValidArgsFunction: completeRecipes,
		RunE: func(c *cobra.Command, args []string) error {
			m, err := shownModel(c, args[0], settings)
			if err != nil {
				return err
			}
			p, err := show.Of(m)
			if err != nil {
				return err
			}
			if svg != "" {
				if err := whole.WriteFunc(svg, 0o666, func(w io.Writer) error {
					_, err := io.WriteString(w, p.SVG())
					return err
				}); err != nil {
					return err
				}
			}
			switch {
			case asJSON:
				return printJSON(c.OutOrStdout(), p)
			case svg == "":
				_, err = fmt.Fprint(c.OutOrStdout(), p.Text())
			}
			return err
		},
	}
	c.Flags().StringArrayVar(&settings, "set", nil, "KEY=VALUE: change the recipe")
	c.Flags().StringVar(&svg, "svg", "", "draw into this file instead, for light and dark pages")
	c.Flags().BoolVar(&asJSON, "json", false, "for scripts")
	return c
}

// shownModel is the model of a run's folder, or of a recipe.
func shownModel(c *cobra.Command, name string, settings []string) (*zoo.Model, error) {
	if !isFolder(name) {
		return loadModel(c, name, settings)
	}
	return zoo.OpenModel(name, settings...)
}

// isFolder tells a run, or one of its checkpoints, from a recipe.
func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

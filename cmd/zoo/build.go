package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// built is what zoo build reports.
type built struct {
	Recipe     string        `json:"recipe"`
	RecipeHash string        `json:"recipe_sha256"`
	Resolved   string        `json:"resolved"`
	Counts     blocks.Counts `json:"counts"`
	Memory     train.Memory  `json:"training_memory"`
	Bytes      int           `json:"training_bytes"`
	Functions  []string      `json:"functions"`

	Plan []backend.Step `json:"plan,omitempty"` // with --print-plan
}

func buildCommand() *cobra.Command {
	var settings []string
	var asJSON, full, plan bool
	var memory byteSize
	c := &cobra.Command{
		Use: "build RECIPE", Short: "Resolve a recipe and report its sizes, without allocating the weights",
		Example: "  zoo build moe-mamba-tiny\n  zoo build moe-mamba-25m --set layers.moe.router=topk --json\n  zoo build mine.yaml\n  zoo build moe-mamba-debug --print-plan",
		Args:    exactly(1), ValidArgsFunction: completeRecipes,
		RunE: func(c *cobra.Command, args []string) error {
			m, err := loadModel(c, args[0], settings)
			if err != nil {
				return err
			}
			b, err := describe(m, int(memory), plan)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), b)
			}
			if err := printBuilt(c, m, b, full); err != nil || !plan {
				return err
			}
			return printPlan(c, b)
		},
	}
	c.Flags().StringArrayVar(&settings, "set", nil, "KEY=VALUE: change the recipe, as in layers.moe.router=topk")
	c.Flags().BoolVar(&asJSON, "json", false, "for scripts")
	c.Flags().BoolVar(&full, "recipe", false, "print the resolved recipe, too")
	c.Flags().Var(&memory, "memory", "how much training may take, such as 2GB: what does not fit is computed twice")
	c.Flags().BoolVar(&plan, "print-plan", false, "list the steps of training one micro-batch, after fusion, with their memory")
	return c
}

func describe(m *zoo.Model, limit int, steps bool) (*built, error) {
	counts, err := m.Net.Count(m.Recipe.Train.Context)
	if err != nil {
		return nil, err
	}
	d, err := newDevice()
	if err != nil {
		return nil, err
	}
	defer d.Close()
	plan, memory, err := m.Plan(d, limit)
	if err != nil {
		return nil, err
	}
	b := &built{Recipe: m.Recipe.Name, RecipeHash: m.Recipe.Hash(), Resolved: string(m.Recipe.YAML()), Counts: counts, Memory: memory, Bytes: memory.Total()}
	if steps {
		b.Plan = plan.Steps()
	}
	for _, f := range m.Functions {
		b.Functions = append(b.Functions, fmt.Sprintf("%s %s/%s sha256:%.12s", f.Variant.Kind, f.Provider, f.Variant.Name, f.Digest))
	}
	return b, nil
}

func printBuilt(c *cobra.Command, m *zoo.Model, b *built, full bool) error {
	out := c.OutOrStdout()
	if full {
		fmt.Fprintln(out, b.Resolved)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(k, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", k, fmt.Sprintf(format, args...)) }
	t := m.Recipe.Train
	line("recipe", "%s  (%s)", m.Recipe.Name, m.Recipe.Doc)
	printStack(line, m.Recipe)
	line("parameters", "%s in all, %s active per token", human(b.Counts.Total), human(b.Counts.Active))
	line("as the paper counts", "%s, %s active: without embedding, head, positions and final norm", human(b.Counts.PaperTotal), human(b.Counts.PaperActive))
	line("operations per token", "%s in a forward pass at context %d, about three times that to train", human(b.Counts.FLOPs), t.Context)
	line("memory to train", "%s for %d × %d tokens: parameters %s, gradients %s, moments %s, activations %s, %sprogram %s", megabytes(b.Bytes), t.Batch, t.Context,
		megabytes(b.Memory.Parameters), megabytes(b.Memory.Gradients), megabytes(b.Memory.Moments), megabytes(b.Memory.Arena), prepared(b.Memory.Prepared), megabytes(b.Memory.Process))
	if b.Memory.Recompute != "" {
		line("computed twice", "%s", b.Memory.Recompute)
	}
	for _, f := range b.Functions {
		line("function", "%s", f)
	}
	line("graph", "sha256:%s", b.Counts.Hash)
	line("recipe hash", "sha256:%s", b.RecipeHash)
	return w.Flush()
}

// prepared is what weights take that are prepared once for all micro-batches of a step.
func prepared(bytes int) string {
	if bytes == 0 {
		return ""
	}
	return "prepared weights " + megabytes(bytes) + ", "
}

// printStack lists the layers, or the pattern and what its names stand for.
func printStack(line func(k, format string, args ...any), r *recipe.Recipe) {
	list := func(key string, layers []recipe.Layer) {
		for _, l := range layers {
			mark := ""
			if l.Parallel() {
				mark = " (parallel)"
			}
			for _, x := range l.Blocks {
				line(key, "%s%s", x, mark)
				key = ""
			}
		}
	}
	if len(r.Pattern) == 0 {
		list(fmt.Sprintf("layers, %d times", r.Repeat), r.Layers)
		return
	}
	line(fmt.Sprintf("pattern, %d times", r.Repeat), "%s", strings.Join(r.Pattern, ""))
	for _, b := range r.Blocks {
		list("  "+b.Name, b.Layers)
	}
}

// printPlan lists the steps of a micro-batch.
func printPlan(c *cobra.Command, b *built) error {
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nstep\toperator\tmemory\tname\tresult")
	for i, s := range b.Plan {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", i, s.Op, s.Memory, s.Name, s.Result)
	}
	return w.Flush()
}

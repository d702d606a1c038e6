package main

import (
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/check"
)

// smallModel is what a router or an expert is put into to be checked.
const smallModel = "moe-mamba-debug"

// checked is what zoo check reports.
type checked struct {
	Model    string          `json:"model"`
	Step     int             `json:"step,omitempty"` // of a run
	Settings []string        `json:"settings,omitempty"`
	Passed   bool            `json:"passed"`
	Verdicts []check.Verdict `json:"verdicts"`
}

// checking is what the flags of zoo check say.
type checking struct {
	settings       []string
	router, expert string
	asJSON         bool
}

func checkCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "check", Short: "Tell whether a model is causal, its gradients right, its steps the whole, its training deterministic",
		Long: `Checks take a run, with its weights, or a recipe, with weights as training begins them and noise on
top, so that every parameter matters. A router or an expert of any plugin is checked inside of a small
model, ` + smallModel + ` unless another is named: --router NAME stands for --set layers.moe.router=NAME
--set layers.moe.allow_future=true, and takes no router at its word.

A verdict is a line for each check; a failure names the layer, the parameter or the position, what differs
and how much may. The exit code is 1 when one fails.`,
		Example: "  zoo check all moe-mamba-debug\n  zoo check causal runs/a --json\n  zoo check gradient mine.yaml --set layers.moe.router=sigmoid\n  zoo check all --router cosine",
	}
	for _, k := range check.All {
		c.AddCommand(checkSubcommand(k.Name, k.Doc, []check.Check{k}))
	}
	c.AddCommand(checkSubcommand("all", "every check, one after the other", check.All))
	return group(c)
}

func checkSubcommand(name, doc string, checks []check.Check) *cobra.Command {
	var o checking
	c := &cobra.Command{
		Use: name + " [MODEL]", Short: doc, Args: cobra.MaximumNArgs(1), ValidArgsFunction: completeRecipes,
		Example: fmt.Sprintf("  zoo check %[1]s moe-mamba-debug\n  zoo check %[1]s runs/a --json\n  zoo check %[1]s --router cosine", name),
		RunE: func(c *cobra.Command, args []string) error {
			model := ""
			if len(args) == 1 {
				model = args[0]
			}
			return runChecks(c, model, o, checks)
		},
	}
	c.Flags().StringArrayVar(&o.settings, "set", nil, "KEY=VALUE: change the recipe")
	c.Flags().StringVar(&o.router, "router", "", "check this router in a small model, or in MODEL")
	c.Flags().StringVar(&o.expert, "expert", "", "check this expert in a small model, or in MODEL")
	c.Flags().BoolVar(&o.asJSON, "json", false, "for scripts")
	completeVariants(c, "router", plugins.RouterKind)
	completeVariants(c, "expert", plugins.ExpertKind)
	return c
}

func runChecks(c *cobra.Command, model string, o checking, checks []check.Check) error {
	d, err := newDevice()
	if err != nil {
		return err
	}
	defer d.Close()
	t, report, err := o.subject(c, model, d)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, k := range checks {
		v, err := k.Run(c.Context(), t, check.Options{Memory: availableMemory()})
		if tooLarge := (*train.TooLarge)(nil); errors.As(err, &tooLarge) {
			err = deviceError{fmt.Errorf("%s: %w: check a smaller size of the model", report.Model, err)}
		}
		if err != nil {
			return err
		}
		report.Passed = report.Passed && v.Status != check.Failed
		report.Verdicts = append(report.Verdicts, v)
		if !o.asJSON {
			fmt.Fprintf(w, "%-11s\t%-7s\t%s\n", v.Check, v.Status, v.Detail) // each as it comes
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
	if o.asJSON {
		if err := printJSON(c.OutOrStdout(), report); err != nil {
			return err
		}
	}
	if !report.Passed {
		return errCheck
	}
	return nil
}

// subject is the model to check, with weights.
func (o checking) subject(c *cobra.Command, model string, d backend.Device) (*zoo.Trained, *checked, error) {
	report := &checked{Model: model, Passed: true}
	if isFolder(model) {
		if o.router != "" || o.expert != "" || len(o.settings) > 0 {
			return nil, nil, fmt.Errorf("%s is a run, which is checked as it was trained: leave out --set, --router and --expert", model)
		}
		t, err := zoo.Open(model, d)
		if err != nil {
			return nil, nil, err
		}
		if t.Note != "" {
			fmt.Fprintln(c.ErrOrStderr(), "note: "+t.Note)
		}
		report.Step = t.Step
		return t, report, nil
	}
	if report.Settings = o.allSettings(); model == "" {
		if o.router == "" && o.expert == "" {
			return nil, nil, errors.New("name a recipe or a run, or give --router or --expert; see zoo check --help")
		}
		report.Model = smallModel
	}
	m, err := trustingModel(c, report.Model, report.Settings)
	if err != nil {
		return nil, nil, err
	}
	counts, err := m.Net.Count(m.Recipe.Train.Context)
	if err != nil {
		return nil, nil, err
	}
	if need, free := int(4*counts.Total), availableMemory(); free > 0 && need > free {
		return nil, nil, deviceError{fmt.Errorf("%s: the weights take %s, %s more than is free: check a smaller size of the model", report.Model, megabytes(need), megabytes(need-free))}
	}
	t, err := m.Begun(d, check.Awake)
	return t, report, err
}

// allSettings are the settings that the flags stand for.
func (o checking) allSettings() []string {
	var out []string
	if o.router != "" {
		out = append(out, "layers.moe.router="+o.router, "layers.moe.allow_future=true")
	}
	if o.expert != "" {
		out = append(out, "layers.moe.expert="+o.expert)
	}
	return append(out, o.settings...)
}

// trustingModel is loadModel that takes routers at their word.
func trustingModel(c *cobra.Command, name string, settings []string) (*zoo.Model, error) {
	return buildModel(c, name, settings, zoo.BuildTrusting)
}

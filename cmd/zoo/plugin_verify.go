package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/plugins/verify"
	"github.com/moezoo/moezoo/zoo"
)

func pluginVerify() *cobra.Command {
	var asJSON, kernels bool
	c := &cobra.Command{
		Use: "verify BINARY|NAME", Short: "Put a plugin to the test, and print a report", Args: exactly(1),
		Long: `Start a plugin and check what it does: its process with signals, other hosts and calls that make no sense; its
options; that equal requests get equal bytes, also from another process; and of every router and expert, that
results are finite, causal as declared, the same on any number of threads and for a token alone, that gradients
agree with finite differences at every level of kernels that this machine has, that experts may change places,
and that a small model with it learns and exports. Exit code 1 says that a check failed.`,
		Example: "  zoo plugin verify ./zoo-plugin-cosine\n  zoo plugin verify routers\n  zoo plugin verify cosine --json", ValidArgsFunction: completePlugins,
		RunE: func(c *cobra.Command, args []string) error {
			r, err := verifyPlugin(c.Context(), args[0], kernels)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(c.OutOrStdout(), r)
			} else {
				err = printChecks(c.OutOrStdout(), r)
			}
			if err == nil && !r.OK() {
				return errCheck
			}
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "for scripts")
	c.Flags().BoolVar(&kernels, "kernels", false, "only what depends on kernels")
	_ = c.Flags().MarkHidden("kernels") // for the processes that verify starts itself
	return c
}

// verifyPlugin verifies an installed or built-in plugin, or one that is a file, in this
// process and, with other kernels, in others.
func verifyPlugin(ctx context.Context, which string, kernels bool) (*plugins.Report, error) {
	cfg, err := hostConfig() // without the project's lock: to look at a plugin is not to use it
	if err != nil {
		return nil, err
	}
	if !global.verbose {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	name := which
	if strings.ContainsRune(which, filepath.Separator) {
		if name, err = plugins.Identify(ctx, which, plugins.InstallOptions{Log: cfg.Log}); err != nil {
			var fault *plugins.Error
			if !errors.As(err, &fault) {
				return nil, err
			}
			return &plugins.Report{Plugin: filepath.Base(which), Path: which, Checks: []plugins.Check{
				{Name: "starts and describes itself", Status: plugins.Failed, Detail: err.Error()},
			}}, nil
		}
		cfg.Dev[name] = which
	}
	h, err := openHost(cfg)
	if err != nil {
		return nil, err
	}
	if kernels {
		return h.Examine(ctx, name, verify.Kernels)
	}
	r, err := zoo.VerifyPlugin(ctx, h, name)
	if err != nil || r.Description == nil {
		return r, err
	}
	for _, level := range kernel.Levels() {
		if level != kernel.Level() {
			r.Checks = append(r.Checks, atLevel(ctx, which, level)...)
		}
	}
	return r, ctx.Err()
}

// atLevel makes the checks that depend on kernels in a process that uses others.
func atLevel(ctx context.Context, which, level string) []plugins.Check {
	failed := func(err error) []plugins.Check {
		return []plugins.Check{{Name: "with " + level + " kernels", Status: plugins.Failed, Detail: err.Error()}}
	}
	exe, err := os.Executable()
	if err != nil {
		return failed(err)
	}
	c := exec.CommandContext(ctx, exe, "plugin", "verify", "--kernels", "--json")
	c.Args[0] = os.Args[0]
	for _, d := range global.pluginDirs {
		c.Args = append(c.Args, "--plugin-dir", d)
	}
	for _, d := range global.pluginDev {
		c.Args = append(c.Args, "--plugin-dev", d)
	}
	c.Args = append(c.Args, which)
	c.Env = append(os.Environ(), "MOEZOO_CPU="+level)
	out, err := c.Output()
	var r plugins.Report
	if wrong := json.Unmarshal(out, &r); wrong != nil {
		return failed(errors.Join(err, wrong))
	}
	for i := range r.Checks {
		r.Checks[i].Name += ", with " + level + " kernels"
	}
	return r.Checks
}

// printChecks writes a line a check, and how many there were.
func printChecks(out io.Writer, r *plugins.Report) error {
	var b strings.Builder
	count := map[plugins.Status]int{}
	for _, k := range r.Checks {
		count[k.Status]++
		fmt.Fprintf(&b, "%-9s%s", k.Status, k.Name)
		if k.Detail != "" {
			b.WriteString(": " + strings.ReplaceAll(k.Detail, "\n", "\n         "))
		}
		b.WriteByte('\n')
	}
	title := r.Plugin
	if r.Description != nil {
		title += " " + r.Description.Version
	}
	fmt.Fprintf(&b, "%s: %d ok, %d skipped, %d failed\n", title, count[plugins.OK], count[plugins.Skipped], count[plugins.Failed])
	_, err := io.WriteString(out, b.String())
	return err
}

package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/plugins"
)

// openLock opens the project's lock; outside of a project there is no file to lock with.
func openLock(project string) (*plugins.Lock, error) {
	if project == "" {
		return nil, nil
	}
	return plugins.OpenLock(project, slog.Default())
}

func pluginCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "plugin", Short: "List, inspect, write, verify, install and lock plugins",
		Long: `Routers and experts come from plugins: those built in, and programs zoo-plugin-NAME in --plugin-dir, the
project's .zoo/plugins, $ZOO_PLUGIN_PATH, the user's folder, and beside zoo, in this order. Where a .zoo folder
or a zoo.lock makes a project, first uses are recorded in zoo.lock, and what differs later is refused.

While you write a plugin: --plugin-dev NAME=PATH uses it without the lock. "zoo-plugin-NAME debug", under a
debugger too, serves until interrupted and prints ZOO_REATTACH_PROVIDERS=…, with which zoo asks that process
instead of starting one, and never ends it.`,
		Example: "  zoo plugin list\n  zoo plugin install ./zoo-plugin-cosine\n  zoo plugin verify ./zoo-plugin-cosine",
	}
	c.AddCommand(pluginList(), pluginInfo(), pluginNew(), pluginVerify(), pluginInstall(), pluginRemove(), pluginLock())
	return group(c)
}

func pluginList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List plugins without starting any", Args: cobra.NoArgs,
		Example: "  zoo plugin list\n  zoo plugin list --json",
		RunE: func(c *cobra.Command, _ []string) error {
			h, err := newHost()
			if err != nil {
				return err
			}
			found := h.List()
			if asJSON {
				return printJSON(c.OutOrStdout(), found)
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tSOURCE\tVARIANTS\tPATH\tPROBLEM")
			for _, f := range found {
				variants := ""
				if f.Description != nil {
					for i, v := range f.Description.Variants {
						if i > 0 {
							variants += " "
						}
						variants += v.Name
					}
				}
				problem := f.Problem
				if f.ShadowedBy != "" {
					problem = "hidden by " + f.ShadowedBy
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", f.Name, f.Source, variants, f.Path, problem)
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "for scripts")
	return c
}

func pluginInfo() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "info NAME", Short: "Describe a plugin's variants and their options", Args: exactly(1),
		Example: "  zoo plugin info routers\n  zoo plugin info routers --json", ValidArgsFunction: completePlugins,
		RunE: func(c *cobra.Command, args []string) error {
			h, err := newHost()
			if err != nil {
				return err
			}
			f, err := h.Info(c.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), f)
			}
			return printPlugin(c.OutOrStdout(), f)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "for scripts, with the options' JSON schemas")
	return c
}

// printPlugin writes a plugin's variants with their options.
func printPlugin(out io.Writer, f plugins.Found) error {
	fmt.Fprintf(out, "%s, %s\n", f.Name, f.Source)
	for _, line := range [][2]string{{"path", f.Path}, {"sha256", f.SHA256}, {"problem", f.Problem}} {
		if line[1] != "" {
			fmt.Fprintf(out, "%s: %s\n", line[0], line[1])
		}
	}
	if f.Description == nil {
		return nil
	}
	fmt.Fprintf(out, "version %s, protocol %d\n", f.Description.Version, f.Description.Protocol)
	for _, v := range f.Description.Variants {
		fmt.Fprintf(out, "\n%s %s: %s\n", v.Kind, v.Name, v.Doc)
		for _, line := range []string{v.Paper, v.Capabilities.List()} {
			if line != "" {
				fmt.Fprintf(out, "  %s\n", line)
			}
		}
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, o := range v.Options() {
			fmt.Fprintf(w, "  %s\t%s\t%s\n", o.Name, o.Default, o.Doc)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func pluginInstall() *cobra.Command {
	var sum string
	c := &cobra.Command{
		Use: "install BINARY", Short: "Install a plugin for this user", Args: exactly(1),
		Example: "  zoo plugin install ./zoo-plugin-cosine",
		RunE: func(c *cobra.Command, args []string) error {
			path, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			i, err := plugins.Install(c.Context(), path, plugins.InstallOptions{Home: plugins.DefaultHome(), SHA256: sum})
			if err == nil {
				fmt.Fprintf(c.OutOrStdout(), "installed %s\n", i.Path)
			}
			return err
		},
	}
	c.Flags().StringVar(&sum, "sha256", "", "refuse the binary unless it has this sum")
	return c
}

func pluginRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME [VERSION]", Short: "Remove an installed plugin", Args: cobra.RangeArgs(1, 2),
		Example: "  zoo plugin remove cosine\n  zoo plugin remove cosine 0.1.0", ValidArgsFunction: completePlugins,
		RunE: func(_ *cobra.Command, args []string) error {
			version := ""
			if len(args) == 2 {
				version = args[1]
			}
			return plugins.Remove(plugins.DefaultHome(), args[0], version)
		},
	}
}

func pluginLock() *cobra.Command {
	var update string
	c := &cobra.Command{
		Use: "lock --update NAME", Short: "Accept a changed plugin at its next use", Args: cobra.NoArgs,
		Example: "  zoo plugin lock --update cosine",
		RunE: func(*cobra.Command, []string) error {
			project := plugins.FindProject(".")
			switch {
			case update == "":
				return errors.New("plugin lock needs --update NAME")
			case project == "":
				return errors.New("there is no project here: neither .zoo nor zoo.lock is in this folder or above it")
			}
			l, err := openLock(project)
			if err != nil {
				return err
			}
			return l.Forget(update)
		},
	}
	c.Flags().StringVar(&update, "update", "", "the plugin whose record is removed")
	return c
}

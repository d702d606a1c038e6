package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
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
			return printPlugins(c.OutOrStdout(), found)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "for scripts")
	return c
}

// printPlugins writes a line a plugin, and below it what keeps it from being used.
func printPlugins(out io.Writer, found []plugins.Found) error {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tVERSION\tSOURCE\tVARIANTS")
	for _, f := range found {
		version, variants := "", "not described yet"
		if f.Description != nil {
			version = f.Description.Version
			var names []string
			for _, v := range f.Description.Variants {
				names = append(names, v.Name)
			}
			variants = strings.Join(names, " ")
		}
		if f.Path != "" {
			variants += "  " + f.Path
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", f.Name, version, f.Source, variants)
		if f.ShadowedBy != "" {
			fmt.Fprintf(w, "  hidden by %s\n", f.ShadowedBy)
		}
		if f.Problem != "" {
			fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(f.Problem, "\n", "\n  "))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(out, b.String())
	return err
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
			if err != nil {
				return err
			}
			d := i.Manifest.Description
			fmt.Fprintf(c.OutOrStdout(), "installed %s %s: %s\n", d.Provider, d.Version, i.Path)
			return noteOlderLock(c.OutOrStdout(), d)
		},
	}
	c.Flags().StringVar(&sum, "sha256", "", "refuse the binary unless it has this sum")
	return c
}

// noteOlderLock says that this project goes on with the version that its lock records.
func noteOlderLock(out io.Writer, d plugins.Description) error {
	l, err := openLock(plugins.FindProject("."))
	if err != nil || l == nil {
		return err
	}
	if v := l.Version(d.Provider); v != "" && v != d.Version {
		fmt.Fprintf(out, "%s records %s %s, which this project goes on with; to take the new one: zoo plugin lock --update %s\n", l.Path(), d.Provider, v, d.Provider)
	}
	return nil
}

func pluginRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME [VERSION]", Short: "Remove an installed plugin", Args: cobra.RangeArgs(1, 2),
		Example: "  zoo plugin remove cosine\n  zoo plugin remove cosine 0.1.0", ValidArgsFunction: completePlugins,
		RunE: func(c *cobra.Command, args []string) error {
			version := ""
			if len(args) == 2 {
				version = args[1]
			}
			err := plugins.Remove(plugins.DefaultHome(), args[0], version)
			if err == nil {
				fmt.Fprintf(c.OutOrStdout(), "removed %s\n", strings.Join(args, " "))
			}
			return err
		},
	}
}

func pluginLock() *cobra.Command {
	var update string
	var asJSON bool
	c := &cobra.Command{
		Use: "lock", Short: "Show what zoo.lock records, or accept a changed plugin at its next use", Args: cobra.NoArgs,
		Example: "  zoo plugin lock\n  zoo plugin lock --update cosine",
		RunE: func(c *cobra.Command, _ []string) error {
			project := plugins.FindProject(".")
			if project == "" {
				return errors.New("there is no project here: neither .zoo nor zoo.lock is in this folder or above it")
			}
			l, err := openLock(project)
			if err != nil {
				return err
			}
			switch {
			case update != "":
				if err = l.Forget(update); err == nil {
					fmt.Fprintf(c.OutOrStdout(), "%s forgets %s, and records it anew at its next use\n", l.Path(), update)
				}
				return err
			case asJSON:
				return printJSON(c.OutOrStdout(), l.List())
			}
			return printLock(c.OutOrStdout(), l.List())
		},
	}
	c.Flags().StringVar(&update, "update", "", "the plugin whose record is removed")
	c.Flags().BoolVar(&asJSON, "json", false, "for scripts")
	return c
}

// printLock writes a line a plugin, and one for each platform's binary.
func printLock(out io.Writer, all []plugins.Locked) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tVERSION\tFUNCTIONS\tBINARY")
	for _, p := range all {
		version := p.Version
		if p.Builtin {
			version = "built-in"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t", p.Name, version, p.Functions)
		for i, platform := range slices.Sorted(maps.Keys(p.Platforms)) {
			if i > 0 {
				fmt.Fprint(w, "\n\t\t\t")
			}
			fmt.Fprintf(w, "%s %s", platform, p.Platforms[platform])
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

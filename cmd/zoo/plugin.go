package main

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/plugins"
)

// openLock opens the project's lock; outside of a project nothing is locked.
func openLock(project string) (*plugins.Lock, error) {
	if project == "" {
		return nil, nil
	}
	return plugins.OpenLock(project, slog.Default())
}

// lockFolder is where zoo.lock lies, if there is one.
func lockFolder() string {
	if p := plugins.FindProject("."); p != "" {
		return p
	}
	return "."
}

func pluginCommand() *cobra.Command {
	c := &cobra.Command{Use: "plugin", Short: "List, inspect, verify, install and lock plugins"}
	c.AddCommand(pluginList(), pluginInfo(), pluginVerify(), pluginInstall(), pluginRemove(), pluginLock())
	return c
}

func pluginList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List plugins without starting any", Args: cobra.NoArgs,
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
	return &cobra.Command{
		Use: "info NAME", Short: "Describe a plugin's variants and their options", Args: cobra.ExactArgs(1),
		Example: "  zoo plugin info routers",
		RunE: func(c *cobra.Command, args []string) error {
			h, err := newHost()
			if err != nil {
				return err
			}
			f, err := h.Info(c.Context(), args[0])
			if err != nil {
				return err
			}
			return printJSON(c.OutOrStdout(), f)
		},
	}
}

func pluginVerify() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "verify NAME", Short: "Start a plugin and check its answers", Args: cobra.ExactArgs(1),
		Example: "  zoo plugin verify routers",
		RunE: func(c *cobra.Command, args []string) error {
			h, err := newHost()
			if err != nil {
				return err
			}
			r, err := h.Verify(c.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(c.OutOrStdout(), r)
			} else {
				w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
				for _, k := range r.Checks {
					fmt.Fprintf(w, "%s\t%s\t%s\n", k.Status, k.Name, k.Detail)
				}
				err = w.Flush()
			}
			if err == nil && !r.OK() {
				return errCheck
			}
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "for scripts")
	return c
}

func pluginInstall() *cobra.Command {
	var sum string
	c := &cobra.Command{
		Use: "install BINARY", Short: "Install a plugin for this user", Args: cobra.ExactArgs(1),
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

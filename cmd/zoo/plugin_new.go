package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/plugins/scaffold"
)

func pluginNew() *cobra.Command {
	var inGo, inPython bool
	var o scaffold.Options
	kind := ""
	c := &cobra.Command{
		Use: "new --go|--python NAME", Short: "Write the beginning of a plugin: a router or an expert that works, with its test", Args: exactly(1),
		Long: `Write a folder zoo-plugin-NAME with a router (or an expert) that works, its test and a README that says what
to run. Nothing is overwritten. In Go it is a module of its own, which builds with the zoo's source that this
program was built from, or with the clone that --source names; in Python it is two files and needs grpcio.`,
		Example: "  zoo plugin new --go mine\n  zoo plugin new --python mine --kind expert --dir plugins/mine",
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case inGo == inPython:
				return errors.New("plugin new needs one of --go and --python")
			case inGo:
				o.Language = scaffold.Go
			default:
				o.Language = scaffold.Python
			}
			if kind != string(plugins.RouterKind) && kind != string(plugins.ExpertKind) {
				return fmt.Errorf("--kind %s: want router or expert", kind)
			}
			o.Name, o.Kind = args[0], plugins.Kind(kind)
			dir, err := scaffold.New(o)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s holds the %s %s; %s says what to run\n", dir, kind, o.Name, filepath.Join(dir, "README.md"))
			return nil
		},
	}
	c.Flags().BoolVar(&inGo, "go", false, "in Go")
	c.Flags().BoolVar(&inPython, "python", false, "in Python")
	c.Flags().StringVar(&kind, "kind", string(plugins.RouterKind), "router or expert")
	c.Flags().StringVar(&o.Dir, "dir", "", "the folder to write, zoo-plugin-NAME by default")
	c.Flags().StringVar(&o.Source, "source", "", "a clone of the zoo for a Go plugin to build with")
	completeFlag(c, "kind", string(plugins.RouterKind), string(plugins.ExpertKind))
	return c
}

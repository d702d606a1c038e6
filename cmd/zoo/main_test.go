package main

import (
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/export/ort"
	"github.com/moezoo/moezoo/plugins"
)

func TestMain(m *testing.M) {
	plugins.Serve() // the program under test starts itself as a plugin
	testscript.Main(m, map[string]func(){"zoo": main})
}

// TestScripts runs the command line as a person would; the scripts are its documentation,
// too.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			cache, err := ort.CacheDir()
			if err != nil {
				return err
			}
			e.Setenv(ort.CacheEnv, cache)
			e.Setenv(ort.LibraryEnv, os.Getenv(ort.LibraryEnv))
			e.Setenv("ZOO_HOME", e.WorkDir+"/home")
			return nil
		},
		Condition: func(cond string) (bool, error) {
			_, err := ort.Find()
			return cond == "ort" && err == nil && ort.Available() == nil, nil
		},
	})
}

// TestEveryCommandHasExamples, and they begin with commands that there are.
func TestEveryCommandHasExamples(t *testing.T) {
	root := newRoot()
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			walk(sub)
		}
		if c.Hidden || c.Name() == "help" || c.HasParent() && c.Parent().Name() == "completion" { // cobra's, with examples in their long texts
			return
		}
		if c.Example == "" || c.Short == "" {
			t.Errorf("%s has no example or no short text", c.CommandPath())
		}
		for line := range strings.Lines(c.Example) {
			_, call, ok := strings.Cut(line, "zoo ")
			if !ok || !strings.HasPrefix(line, "  ") {
				t.Errorf("%s: example %q calls no zoo", c.CommandPath(), line)
			} else if found, _, err := root.Find(strings.Fields(call)); err != nil || found == root {
				t.Errorf("%s: example %q: %v", c.CommandPath(), line, err)
			}
		}
	}
	walk(root)
}

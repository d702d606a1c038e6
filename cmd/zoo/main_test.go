package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

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

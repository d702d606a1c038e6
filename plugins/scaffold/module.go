package scaffold

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/moezoo/moezoo/plugins"
)

// zooModule is the module that a plugin builds with.
const zooModule = "github.com/moezoo/moezoo"

// module is a go.mod that replaces the zoo's module by a clone of it, and its go.sum. Both
// take over what the clone requires, in the same versions, so that the plugin builds with
// what building the clone has downloaded.
func (o Options) module() (mod, sum []byte, err error) {
	clone, theirs, err := o.clone()
	if err != nil {
		return nil, nil, err
	}
	if sum, err = os.ReadFile(filepath.Join(clone, "go.sum")); err != nil {
		return nil, nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "module example.com/zoo-plugin-%s\n", o.Name)
	requires := false
	var lines []string
	for line := range strings.Lines(string(theirs)) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case words[0] == "go":
			fmt.Fprintf(&b, "\ngo %s\n\nrequire %s v0.0.0\n\nrequire (\n", words[1], zooModule)
		case words[0] == "require" && words[1] == "(":
			requires = true
		case words[0] == ")":
			requires = false
		case words[0] == "require" || requires:
			words = strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
			lines = append(lines, fmt.Sprintf("\t%s %s // indirect\n", words[0], words[1]))
		}
	}
	fmt.Fprintf(&b, "%s)\n\nreplace %s => %s\n", strings.Join(lines, ""), zooModule, quoted(clone))
	return b.Bytes(), sum, nil
}

// quoted is a path as go.mod writes it.
func quoted(path string) string {
	if strings.ContainsAny(path, " \t\"`()[]{},") {
		return fmt.Sprintf("%q", path)
	}
	return path
}

// clone is the folder of the zoo's source and its go.mod: the one that is named, or the one
// that this program was built from.
func (o Options) clone() (dir string, mod []byte, err error) {
	dir = o.Source
	if _, here, _, ok := runtime.Caller(0); ok && dir == "" {
		dir = filepath.Dir(filepath.Dir(filepath.Dir(here)))
	}
	if dir, err = filepath.Abs(dir); err == nil {
		mod, err = os.ReadFile(filepath.Join(dir, "go.mod"))
	}
	if err == nil && !bytes.HasPrefix(mod, []byte("module "+zooModule+"\n")) {
		err = errors.New(filepath.Join(dir, "go.mod") + " is of another module")
	}
	if err != nil {
		return "", nil, &plugins.InputError{Detail: "a Go plugin builds with the zoo's source, which is not here: " + err.Error(), Hint: "name a clone of " + zooModule + " by --source"}
	}
	return dir, mod, nil
}

// tidy drops from go.mod what the plugin does not need, as far as that can be told without a
// network. Without it the plugin builds just as well.
func tidy(dir string) {
	c := exec.Command("go", "mod", "tidy")
	c.Dir = dir
	c.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=mod", "GOWORK=off", "PWD="+dir)
	before, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil || c.Run() == nil {
		return
	}
	_ = os.WriteFile(filepath.Join(dir, "go.mod"), before, 0o644)
}

package scaffold

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	pluginpython "github.com/moezoo/moezoo/examples/plugin-python"
	"github.com/moezoo/moezoo/plugins"
)

// templateName is the plugin's name in the templates.
const templateName = "scaffolded"

//go:embed gorouter goexpert python pythonrouter pythonexpert
var templates embed.FS

// Language is what a plugin is written in.
type Language string

// The languages that there are templates for.
const (
	Go     Language = "go"
	Python Language = "python"
)

// Options say what to write where.
type Options struct {
	Name     string // of the provider and its variant
	Language Language
	Kind     plugins.Kind
	Dir      string // "" for zoo-plugin-NAME in this folder
	Source   string // a clone of the zoo, which a Go plugin builds with; "" for the one that this program was built from
}

// New writes a plugin into a folder that is not there yet, or empty, whole or not at all, and
// answers the folder.
func New(o Options) (dir string, err error) {
	if err := plugins.CheckName(o.Name); err != nil {
		return "", err
	}
	if dir = o.Dir; dir == "" {
		dir = "zoo-plugin-" + o.Name
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return "", &plugins.InputError{Detail: fmt.Sprintf("%s is not empty", dir), Hint: "name another folder by --dir; nothing is overwritten"}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", &plugins.InputError{Detail: err.Error(), Hint: "name another folder by --dir"}
	}
	files, err := o.files()
	if err != nil {
		return "", err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(parent, ".new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	for name, f := range files {
		if err := os.WriteFile(filepath.Join(work, name), f.content, f.mode); err != nil {
			return "", err
		}
	}
	if o.Language == Go {
		tidy(work)
	}
	if err := os.Chmod(work, 0o755); err != nil {
		return "", err
	}
	_ = os.Remove(dir) // empty, if it is there
	return dir, os.Rename(work, dir)
}

type file struct {
	content []byte
	mode    fs.FileMode
}

// files are the plugin's files by name.
func (o Options) files() (map[string]file, error) {
	files := map[string]file{}
	if err := o.template(files, string(o.Language)+string(o.Kind)); err != nil {
		return nil, &plugins.InputError{Detail: fmt.Sprintf("there is no template of a %s in %q", o.Kind, o.Language), Hint: "want a router or an expert in go or python"}
	}
	switch o.Language {
	case Python:
		if err := o.template(files, string(Python)); err != nil {
			return nil, err
		}
		files["moezoo_plugin.py"] = file{pluginpython.SDK, 0o644}
		files["requirements.txt"] = file{pluginpython.Requirements, 0o644}
	case Go:
		mod, sum, err := o.module()
		if err != nil {
			return nil, err
		}
		files["go.mod"], files["go.sum"] = file{mod, 0o644}, file{sum, 0o644}
		files[".gitignore"] = file{[]byte("/zoo-plugin-" + o.Name + "\n"), 0o644}
	}
	return files, nil
}

// template adds the files of a folder of templates.
func (o Options) template(files map[string]file, folder string) error {
	entries, err := templates.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		raw, err := templates.ReadFile(folder + "/" + e.Name())
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if bytes.HasPrefix(raw, []byte("#!")) {
			mode = 0o755
		}
		name := strings.ReplaceAll(e.Name(), templateName, o.Name)
		files[name] = file{bytes.ReplaceAll(raw, []byte(templateName), []byte(o.Name)), mode}
	}
	return nil
}

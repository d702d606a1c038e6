package importer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/moezoo/moezoo/zoo/recipe"
)

// Folder is a model's folder as other projects publish it.
type Folder struct {
	Dir    string
	Arch   *Architecture
	Recipe *recipe.Recipe
	Notes  []string // what is worth knowing though it is no mistake

	tensors Tensors
	spare   []string
	kept    map[string]any
}

// Open reads a folder's config.json and the headers of its weights. The recipe is held
// against the tensors' shapes before anything of its size is made.
func Open(dir string) (*Folder, error) {
	values, err := readConfig(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, err
	}
	arch, err := find(values)
	if err != nil {
		return nil, fmt.Errorf("%s: config.json: %w", dir, err)
	}
	t, err := openTensors(dir)
	if err != nil {
		return nil, err
	}
	c := newConfig(values, onFile{t})
	r, err := arch.read(recipeName(dir), c)
	if err != nil {
		t.Close()
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return &Folder{Dir: dir, Arch: arch, Recipe: r, Notes: c.notes, tensors: t, spare: c.spare, kept: c.kept()}, nil
}

// readConfig reads a configuration's keys.
func readConfig(path string) (map[string]any, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%s: is no regular file", path), err)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, err
	}
	values, err := parseConfig(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return values, nil
}

var notOfNames = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// recipeName is a recipe's name for a folder's.
func recipeName(dir string) string {
	if full, err := filepath.Abs(dir); err == nil {
		dir = full
	}
	name := notOfNames.ReplaceAllString(filepath.Base(dir), "-")
	for len(name) > 0 && (name[0] == '.' || name[0] == '-' || name[0] == '_') {
		name = name[1:]
	}
	if name == "" {
		return "imported"
	}
	return name[:min(len(name), 100)]
}

// Weights finds the tensors of a model's parameters. Nothing may be left over on either
// side.
func (f *Folder) Weights(params []Param) (*Map, error) {
	m, err := newMap(params, f.Arch.Names(f.Recipe), func(name string) bool { _, ok := f.tensors.Info(name); return ok })
	if err == nil {
		err = m.Fits(f.tensors, func(name string) bool {
			return slices.Contains(f.spare, name) || f.Arch.Spare != nil && f.Arch.Spare(name)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Dir, err)
	}
	return m, nil
}

// Read reads a parameter of a Map into our layout.
func (f *Folder) Read(m *Map, i int) ([]float32, error) { return m.Read(f.tensors, i) }

// Close closes the files of weights.
func (f *Folder) Close() error { return f.tensors.Close() }

// onFile are the shapes of a checkpoint's tensors.
type onFile struct{ t Tensors }

func (o onFile) names() []string { return o.t.Names() }

func (o onFile) shape(tensor string) ([]int64, bool) {
	info, ok := o.t.Info(tensor)
	return info.Shape, ok
}

func (o onFile) same(a, b string) (bool, error) {
	x, err := o.t.Float32(a)
	if err != nil {
		return false, err
	}
	y, err := o.t.Float32(b)
	return slices.Equal(x, y), err
}

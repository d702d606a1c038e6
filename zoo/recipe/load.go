package recipe

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

//go:embed recipes/*.yaml
var embedded embed.FS

// Entry describes an embedded recipe.
type Entry struct {
	Name  string `json:"name"`
	Arch  string `json:"arch"`
	Size  string `json:"size"`
	Doc   string `json:"doc"`
	Paper string `json:"paper,omitempty"`
}

// List lists the embedded recipes by name.
func List() []Entry {
	files, err := embedded.ReadDir("recipes")
	if err != nil {
		panic("recipe: " + err.Error())
	}
	var out []Entry
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".yaml")
		r, err := Load(name)
		if err != nil {
			panic("recipe: the embedded recipe " + name + ": " + err.Error())
		}
		i := strings.LastIndexByte(name, '-')
		out = append(out, Entry{Name: name, Arch: name[:i], Size: name[i+1:], Doc: r.Doc, Paper: r.Paper})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// names lists the embedded recipes.
func names() []string {
	files, _ := embedded.ReadDir("recipes")
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = strings.TrimSuffix(f.Name(), ".yaml")
	}
	return out
}

// Load reads an embedded recipe by name, or a file: what ends in .yaml or .yml, or holds
// a path separator. Settings are applied in order; notes says what they did besides.
func Load(nameOrPath string, settings ...string) (*Recipe, error) {
	r, _, err := LoadWith(nameOrPath, settings)
	return r, err
}

// LoadWith is Load that also answers the notes of settings.
func LoadWith(nameOrPath string, settings []string) (r *Recipe, notes []string, err error) {
	src, resolver, err := open(nameOrPath, ".")
	if err != nil {
		return nil, nil, err
	}
	tree, err := extended(nameOrPath, src, resolver, map[string]bool{})
	if err != nil {
		return nil, nil, err
	}
	return changed(tree, settings)
}

// With is the recipe with settings applied, and their notes.
func (r *Recipe) With(settings []string) (*Recipe, []string, error) {
	return changed(r.tree.clone(), settings)
}

// changed applies settings to a recipe's tree and resolves it.
func changed(tree *node, settings []string) (r *Recipe, notes []string, err error) {
	for _, s := range settings {
		more, err := set(tree, s)
		if err != nil {
			return nil, nil, err
		}
		notes = append(notes, more...)
	}
	r, err = resolve(tree)
	return r, notes, err
}

// Parse reads a recipe; resolver finds what it extends, nil for embedded recipes only.
func Parse(name string, src []byte, resolver func(base string) ([]byte, error)) (*Recipe, error) {
	find := func(base string) ([]byte, finder, error) {
		if resolver != nil {
			raw, err := resolver(base)
			return raw, nil, err
		}
		return open(base, "")
	}
	tree, err := extended(name, src, find, map[string]bool{})
	if err != nil {
		return nil, err
	}
	return resolve(tree)
}

// finder reads what a recipe extends.
type finder func(base string) ([]byte, finder, error)

// open reads a recipe by name, or by a path relative to dir; an empty dir allows names
// only.
func open(name, dir string) ([]byte, finder, error) {
	isPath := strings.ContainsAny(name, `/\`) || strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
	if !isPath {
		raw, err := embedded.ReadFile("recipes/" + name + ".yaml")
		if err != nil {
			return nil, nil, &Error{File: name, Message: "there is no recipe of this name", Hint: didYouMean(name, names())}
		}
		return raw, func(base string) ([]byte, finder, error) { return open(base, "") }, nil
	}
	if dir == "" {
		return nil, nil, &Error{File: name, Message: "only embedded recipes can be extended here"}
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, &Error{File: name, Message: "cannot be read: " + reason(err)}
	}
	if !info.Mode().IsRegular() {
		return nil, nil, &Error{File: name, Message: "is no regular file"}
	}
	if info.Size() > maxBytes {
		return nil, nil, &Error{File: name, Message: "the file is larger than 1 MiB, the limit for recipes"}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, &Error{File: name, Message: "cannot be read: " + reason(err)}
	}
	return raw, func(base string) ([]byte, finder, error) { return open(base, filepath.Dir(path)) }, nil
}

func reason(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// maxExtends bounds chains of extensions.
const maxExtends = 8

// extended reads a recipe and merges it over what it extends.
func extended(name string, src []byte, find finder, above map[string]bool) (*node, error) {
	tree, err := parseTree(name, src)
	if err != nil {
		return nil, err
	}
	if tree == nil {
		return nil, &Error{File: name, Message: "no model key: the recipe is empty, it has no name, d_model and layers"}
	}
	if tree.kind != mapNode {
		return nil, tree.at.errorf("", "a recipe: got %s, want key: value", tree.what())
	}
	base := tree.get("extends")
	if base == nil || base.kind == nullNode {
		return tree, nil
	}
	if base.kind != scalarNode {
		return nil, base.at.errorf("", "extends: got %s, want a recipe's name or a file", base.what())
	}
	above[name] = true
	if above[base.text] {
		return nil, base.at.errorf("", "%s extends itself", quoteShort(base.text))
	}
	if len(above) > maxExtends {
		return nil, base.at.errorf("", "more than %d recipes extend one another", maxExtends)
	}
	raw, next, err := find(base.text)
	if err != nil {
		var e *Error
		if errors.As(err, &e) {
			return nil, base.at.errorf(e.Hint, "extends %s: %s", quoteShort(base.text), e.Message)
		}
		return nil, base.at.errorf("", "extends %s: %v", quoteShort(base.text), err)
	}
	if next == nil {
		next = find
	}
	under, err := extended(base.text, raw, next, above)
	if err != nil {
		return nil, err
	}
	merged := under.clone()
	for _, own := range []string{"name", "extends"} {
		drop(merged, own)
	}
	// Layers replace a pattern, and a pattern replaces layers.
	if tree.get("layers") != nil {
		drop(merged, "pattern")
		drop(merged, "blocks")
	}
	if tree.get("pattern") != nil {
		drop(merged, "layers")
	}
	merge(merged, tree)
	merged.at = tree.at
	return merged, nil
}

// merge lays one mapping over another, key by key.
func merge(under, over *node) {
	for _, e := range over.entries {
		below := under.get(e.key)
		if below != nil && below.kind == mapNode && e.value.kind == mapNode {
			merge(below, e.value)
			continue
		}
		under.put(e.key, e.at, e.value)
	}
}

func drop(n *node, key string) {
	for i, e := range n.entries {
		if e.key == key {
			n.entries = append(n.entries[:i], n.entries[i+1:]...)
			return
		}
	}
}

// Hash is the SHA-256 of the resolved recipe.
func (r *Recipe) Hash() string {
	sum := sha256.Sum256(r.YAML())
	return hex.EncodeToString(sum[:])
}

// ErrorAt is an error that points at a path of the recipe, such as "layers[1].moe.router".
func (r *Recipe) ErrorAt(path, message, hint string) error {
	return r.tree.errorAt(path, message, hint)
}

// errorAt points at as much of a path as there is.
func (n *node) errorAt(path, message, hint string) error {
	for _, p := range strings.FieldsFunc(path, func(c rune) bool { return c == '.' || c == '[' || c == ']' }) {
		next := n.get(p)
		if i, err := strconv.Atoi(p); err == nil && n.kind == listNode && i < len(n.items) {
			next = n.items[i]
		}
		if next == nil {
			break
		}
		n = next
	}
	return n.at.errorf(hint, "%s", message)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

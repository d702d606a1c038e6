package recipe

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
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
		return nil, &Error{File: name, Message: "the recipe is empty: it has no name, d_model and layers"}
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

var step = regexp.MustCompile(`^([a-z_]+)((?:\[[0-9]+\])*)$`)

// set applies one setting KEY=VALUE to a tree. A path through layers without an index
// means every layer that has the block.
func set(tree *node, setting string) (notes []string, err error) {
	key, text, ok := strings.Cut(setting, "=")
	src := newSource("--set", setting)
	at := place{src, 1, 1, len(key)}
	if !ok || key == "" {
		return nil, at.errorf("--set train.lr=3e-4", "a setting: got %s, want KEY=VALUE", quoteShort(setting))
	}
	value, err := parseTree("--set "+key, []byte(text))
	if err != nil {
		return nil, err
	}
	if value == nil {
		return nil, at.errorf("", "%s is set to nothing", quoteShort(key))
	}
	where := func(n *node) { n.at = place{src, 1, len(key) + 2, len(text)} }
	where(value)
	if value.kind == scalarNode {
		value.at.src = src
	}
	parts := strings.Split(key, ".")
	for _, p := range parts {
		if !step.MatchString(p) {
			return nil, at.errorf("", "%s is no path of keys", quoteShort(key))
		}
	}
	s := &setter{at: at, value: value}
	if n := s.apply(tree, parts); n == 0 && s.err == nil {
		s.err = at.errorf("", "nothing in the recipe is called %s", quoteShort(key))
	}
	return s.notes, s.err
}

type setter struct {
	at    place
	value *node
	notes []string
	err   error
}

// apply walks the path and answers how many values were set.
func (s *setter) apply(n *node, parts []string) int {
	m := step.FindStringSubmatch(parts[0])
	name, indices := m[1], regexp.MustCompile(`[0-9]+`).FindAllString(m[2], -1)
	if len(parts) == 1 && len(indices) == 0 {
		s.put(n, name)
		return 1
	}
	below := n.get(name)
	if below == nil {
		if len(indices) > 0 || n.kind != mapNode || name == "layers" {
			return 0
		}
		below = &node{kind: mapNode, at: s.at}
		n.put(name, s.at, below)
	}
	for _, i := range indices {
		k, _ := strconv.Atoi(i)
		if below.kind != listNode || k >= len(below.items) {
			if s.err == nil {
				s.err = s.at.errorf("", "%s has %d items, there is no [%d]", name, len(below.items), k)
			}
			return 0
		}
		below = below.items[k]
	}
	if len(parts) == 1 {
		*below = *s.value.clone()
		return 1
	}
	return s.into(below, parts[1:])
}

// into continues the path below a value: through every item of a list that has the key,
// and through a block's name written without options.
func (s *setter) into(n *node, parts []string) int {
	switch n.kind {
	case listNode:
		count := 0
		for _, item := range n.items {
			name := step.FindStringSubmatch(parts[0])[1]
			if item.kind == scalarNode && item.text == name && len(parts) > 1 {
				*item = node{kind: mapNode, at: item.at, entries: []entry{{name, item.at, &node{kind: mapNode, at: item.at}}}}
			}
			if inner := item.get("parallel"); inner != nil && name != "parallel" {
				count += s.into(inner, parts)
			} else if item.get(name) != nil {
				count += s.apply(item, parts)
			}
		}
		return count
	case nullNode:
		*n = node{kind: mapNode, at: n.at}
	case scalarNode:
		if parts[0] != "use" { // router: switch, and an option of it is set
			*n = node{kind: mapNode, at: n.at, entries: []entry{{"use", n.at, &node{kind: scalarNode, text: n.text, at: n.at}}}}
		}
	}
	return s.apply(n, parts)
}

// put sets a key. A changed router or expert loses the options of the old one.
func (s *setter) put(n *node, name string) {
	old := n.get(name)
	if (name == "router" || name == "expert") && old != nil && old.kind == mapNode && s.value.kind == scalarNode && len(old.entries) > 1 {
		if was := old.get("use"); was != nil && was.text != s.value.text {
			s.notes = append(s.notes, fmt.Sprintf("%s %s replaces %s and its options", name, s.value.text, was.text))
		}
	}
	n.put(name, s.at, s.value.clone())
}

// Hash is the SHA-256 of the resolved recipe.
func (r *Recipe) Hash() string {
	sum := sha256.Sum256(r.YAML())
	return hex.EncodeToString(sum[:])
}

// ErrorAt is an error that points at a path of the recipe, such as "layers[1].moe.router".
func (r *Recipe) ErrorAt(path, message, hint string) error {
	n := r.tree
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

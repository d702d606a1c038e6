package recipe

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxSetting bounds the text of one setting.
const maxSetting = 1 << 16

// step is one step of a path: a key, or the index of an item.
type step struct {
	key   string
	index int // −1 for a key
}

var stepForm = regexp.MustCompile(`^([A-Za-z0-9_-]+)((?:\[[0-9]{1,6}\])*)$`)

// steps reads a path such as layers[1].moe.experts.
func steps(path string) (out []step, ok bool) {
	for _, part := range strings.Split(path, ".") {
		m := stepForm.FindStringSubmatch(part)
		if m == nil || len(out) > maxDepth {
			return nil, false
		}
		out = append(out, step{m[1], -1})
		for _, digits := range strings.FieldsFunc(m[2], func(r rune) bool { return r == '[' || r == ']' }) {
			i, _ := strconv.Atoi(digits) // at most six digits
			out = append(out, step{"", i})
		}
	}
	return out, true
}

// set applies one setting KEY=VALUE to a tree. A path through layers without an index
// means every layer that has the block, also inside parallel. Notes say what was lost.
func set(tree *node, setting string) (notes []string, err error) {
	key, text, ok := strings.Cut(setting, "=")
	src := newSource("--set", setting)
	at := place{src, 1, 1, len(key)}
	if !ok || key == "" {
		return nil, at.errorf("--set train.lr=3e-4", "a setting: got %s, want KEY=VALUE", quoteShort(setting))
	}
	if len(setting) > maxSetting {
		return nil, &Error{File: "--set", Message: "the setting is longer than 64 KiB"}
	}
	path, ok := steps(key)
	if !ok {
		return nil, at.errorf("for example layers[1].moe.experts", "%s is no path of keys", quoteShort(key))
	}
	value, err := src.value(text, utf8.RuneCountInString(key)+1)
	if err != nil {
		return nil, err
	}
	if value == nil || value.kind == nullNode {
		return nil, at.errorf("", "%s is set to nothing", quoteShort(key))
	}
	s := &setter{key: key, at: at, value: value}
	if n := s.walk(tree, path, ""); n == 0 && s.err == nil {
		s.fail(s.blockHint(tree), "nothing in the recipe is called %s", quoteShort(key))
	}
	if s.err != nil {
		return nil, s.err
	}
	return s.notes, nil
}

// value parses the value of a setting, which stands shift characters into the source.
func (s *source) value(text string, shift int) (*node, error) {
	n, err := parseTree(s.name, []byte(text))
	var e *Error
	if errors.As(err, &e) && e.Line > 0 {
		p := place{s, e.Line, e.Col, 1}.shifted(shift)
		return nil, p.errorf(e.Hint, "%s", e.Message)
	}
	if n != nil {
		n.move(s, shift)
	}
	return n, err
}

// move places a tree inside another source.
func (n *node) move(s *source, shift int) {
	n.at = place{s, n.at.line, n.at.col, n.at.width}.shifted(shift)
	for i := range n.entries {
		e := &n.entries[i]
		e.at = place{s, e.at.line, e.at.col, e.at.width}.shifted(shift)
		e.value.move(s, shift)
	}
	for _, item := range n.items {
		item.move(s, shift)
	}
}

// shifted moves places of the first line to the right.
func (p place) shifted(by int) place {
	if p.line == 1 {
		p.col += by
	}
	return p
}

type setter struct {
	key   string // the whole path
	at    place  // of the path in the setting
	value *node
	notes []string
	err   error
}

func (s *setter) fail(hint, format string, args ...any) int {
	if s.err == nil {
		s.err = s.at.errorf(hint, format, args...)
	}
	return 0
}

// walk follows the path from n, which stands under the key name, and answers how many
// values were set.
func (s *setter) walk(n *node, path []step, name string) int {
	first, rest := path[0], path[1:]
	if first.index >= 0 {
		return s.item(n, first.index, rest, name)
	}
	if n.kind == listNode {
		return s.blocks(n, path)
	}
	if !n.open(name) {
		return s.fail("", "%s: %s is a single value, there is no %s in it", s.key, name, first.key)
	}
	if variant := first.key == "router" || first.key == "expert"; variant && len(rest) == 1 && rest[0].key == "use" {
		rest = nil // use alone is the same as the variant's name
	}
	if len(rest) == 0 {
		s.put(n, first.key)
		return 1
	}
	below := n.get(first.key)
	if table := n.get("blocks"); below == nil && first.key == "layers" && rest[0].index < 0 && table != nil {
		count := 0
		for _, e := range table.entries { // the layers of a pattern
			count += s.blocks(e.value.layers(), rest)
		}
		return count
	}
	if below == nil {
		if first.key == "layers" || rest[0].index >= 0 {
			return 0
		}
		below = &node{kind: mapNode, at: s.at}
		n.put(first.key, s.at, below)
	}
	if name == "blocks" {
		below.spell()
	}
	return s.walk(below, rest, first.key)
}

// item continues at one item of a list.
func (s *setter) item(n *node, i int, rest []step, name string) int {
	if n.kind != listNode {
		return s.fail("", "%s: %s is no list", s.key, name)
	}
	if i >= len(n.items) {
		return s.fail("", "%s has %d items, there is no [%d]", name, len(n.items), i)
	}
	item := n.items[i]
	if len(rest) == 0 {
		*item = *s.value.clone()
		return 1
	}
	if name == "layers" || name == "parallel" {
		item.spell()
		if item.get(rest[0].key) == nil && len(item.entries) == 1 {
			kind := item.entries[0].key
			return s.fail(fmt.Sprintf("the path goes on with .%s", kind), "%s[%d] holds %s, not %s", name, i, kind, rest[0].key)
		}
	}
	return s.walk(item, rest, "")
}

// blocks continues in every item of a list of blocks that has the first key.
func (s *setter) blocks(list *node, path []step) int {
	count := 0
	for _, item := range list.items {
		if item.kind == scalarNode && item.text == path[0].key {
			item.spell()
		}
		if inner := item.get("parallel"); inner != nil && inner.kind == listNode && path[0].key != "parallel" {
			count += s.blocks(inner, path)
		} else if item.get(path[0].key) != nil {
			count += s.walk(item, path, "")
		}
	}
	return count
}

// layers is what an entry of a pattern's table lists, be it a single layer.
func (n *node) layers() *node {
	if n.kind == listNode {
		return n
	}
	return &node{kind: listNode, at: n.at, items: []*node{n}}
}

// spell turns a block written as a bare word into a mapping.
func (n *node) spell() {
	if n.kind == scalarNode {
		*n = node{kind: mapNode, at: n.at, entries: []entry{{n.text, n.at, &node{kind: mapNode, at: n.at}}}}
	}
}

// open makes the value of a key a mapping, when it is one or a short form of one.
func (n *node) open(name string) bool {
	if n.kind == mapNode {
		return true
	}
	inner := ""
	switch name {
	case "router", "expert":
		inner = "use"
	case "norm", "final_norm", "qk_norm":
		inner = "kind"
	case "vocabulary", "positions", "rope":
	default:
		if n.kind != nullNode {
			return false
		}
	}
	opened := node{kind: mapNode, at: n.at}
	if inner != "" && n.kind == scalarNode && n.text != "true" && n.text != "false" {
		word := *n
		opened.entries = []entry{{inner, n.at, &word}}
	}
	*n = opened
	return true
}

// put sets a key. A router or expert that changes loses the options of the old one; one
// that only is named again keeps them.
func (s *setter) put(n *node, key string) {
	old := n.get(key)
	if old != nil && old.kind == mapNode && (key == "router" || key == "expert") {
		was, now := old.variant(), s.value.variant()
		if was == now && s.value.kind == scalarNode {
			return
		}
		if lost := old.without(s.value); was != now && len(lost) > 0 {
			s.note(fmt.Sprintf("%s %s replaces %s, whose options are dropped: %s", key, now, was, strings.Join(lost, ", ")))
		}
	}
	n.put(key, s.at, s.value.clone())
}

// note keeps each note once, however many layers it is about.
func (s *setter) note(text string) {
	if !slices.Contains(s.notes, text) {
		s.notes = append(s.notes, text)
	}
}

// variant is the name in a router or expert, written short or with options.
func (n *node) variant() string {
	if use := n.get("use"); n.kind == mapNode && use != nil {
		return use.text
	}
	return n.text
}

// without lists the options of n that other does not have.
func (n *node) without(other *node) []string {
	var out []string
	for _, e := range n.entries {
		if e.key != "use" && other.get(e.key) == nil {
			out = append(out, printable(shorten(e.key)))
		}
	}
	return out
}

// blockHint names the blocks that a path through layers could have meant.
func (s *setter) blockHint(tree *node) string {
	if !strings.HasPrefix(s.key, "layers.") {
		return ""
	}
	var kinds []string
	if layers := tree.get("layers"); layers != nil {
		kinds = layers.kinds(nil)
	} else if table := tree.get("blocks"); table != nil {
		for _, e := range table.entries {
			kinds = e.value.layers().kinds(kinds)
		}
	}
	if len(kinds) == 0 {
		return ""
	}
	return didYouMean(strings.Split(s.key, ".")[1], kinds)
}

// kinds are the blocks in a list, each once.
func (n *node) kinds(found []string) []string {
	for _, item := range n.items {
		kind := item.text
		if len(item.entries) == 1 {
			kind = item.entries[0].key
		}
		if inner := item.get("parallel"); inner != nil {
			found = inner.kinds(found)
		} else if slices.Contains(blockKinds(), kind) && !slices.Contains(found, kind) {
			found = append(found, kind)
		}
	}
	return found
}

// shorten cuts a text of any length for an error.
func shorten(s string) string {
	if r := firstRunes(s, 41); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

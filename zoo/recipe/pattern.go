package recipe

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Named is an entry of a recipe's table of blocks: the layers that a letter or a word of
// its pattern stands for.
type Named struct {
	Name   string
	Layers []Layer
}

// readStack reads what the model is a stack of: layers, or a table of blocks and a pattern.
func readStack(r *reader, s *section, out *Recipe) {
	layers, pattern, table := s.get("layers"), s.get("pattern"), s.get("blocks")
	switch {
	case layers != nil && pattern != nil:
		r.fail(pattern.at, "", "a recipe has either layers or a pattern of blocks")
	case pattern != nil:
		out.Blocks = readBlocks(r, s, table, out.DModel)
		out.Pattern = readPattern(r, pattern, out.Blocks)
		for _, name := range out.Pattern {
			i := slices.IndexFunc(out.Blocks, func(b Named) bool { return b.Name == name })
			out.Layers = append(out.Layers, out.Blocks[i].Layers...)
		}
	case table != nil:
		r.fail(table.at, "pattern: MEMEM*E", "the blocks have no pattern that orders them")
	case layers == nil:
		r.fail(s.at, "", "the recipe has no layers")
	default:
		out.Layers = readLayers(r, layers, "layers", out.DModel)
	}
}

// readLayers reads a list of layers.
func readLayers(r *reader, n *node, path string, dModel int64) []Layer {
	if n.kind != listNode || len(n.items) == 0 {
		r.fail(n.at, "write them one per line: - mamba: {}", "%s: got %s, want a list", path, n.what())
		return nil
	}
	out := make([]Layer, len(n.items))
	for i, item := range n.items {
		out[i] = readLayer(r, item, fmt.Sprintf("%s[%d]", path, i), dModel)
	}
	return out
}

// readBlocks reads the table of a pattern: each entry is one layer, or a list of them.
func readBlocks(r *reader, s *section, n *node, dModel int64) []Named {
	if n == nil || n.kind != mapNode || len(n.entries) == 0 {
		r.fail(s.at, `blocks: {M: mamba, "*": {attention: {}}}`, "a pattern needs blocks, which say what its letters stand for")
		return nil
	}
	var out []Named
	for i := range n.entries {
		e := &n.entries[i]
		path := "blocks." + e.key
		if e.key == "" || len(e.key) > 40 || strings.ContainsFunc(e.key, func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) || strings.ContainsRune(".[]", c) }) {
			r.fail(e.at, "", "blocks: %s is no letter and no word", quoteShort(e.key))
			return nil
		}
		if e.value.kind == listNode && len(e.value.items) == 1 {
			e.value = e.value.items[0]
		}
		if e.value.kind == listNode {
			out = append(out, Named{e.key, readLayers(r, e.value, path, dModel)})
			continue
		}
		out = append(out, Named{e.key, []Layer{readLayer(r, e.value, path, dModel)}})
	}
	return out
}

// readPattern reads the names of blocks in their order: a word whose letters each stand for
// one, or a list of names.
func readPattern(r *reader, n *node, table []Named) []string {
	var names []string
	for _, b := range table {
		names = append(names, b.Name)
	}
	var out []string
	add := func(name string, at place) {
		if !slices.Contains(names, name) {
			r.fail(at, "", "pattern: there is no block %s, only %s", quoteShort(name), shorten(strings.Join(names, " ")))
			return
		}
		out = append(out, name)
	}
	switch {
	case n.kind == listNode && len(n.items) > 0:
		for _, item := range n.items {
			if item.kind != scalarNode {
				r.fail(item.at, "", "pattern: got %s, want a block's name", item.what())
				return nil
			}
			add(item.text, item.at)
		}
	case n.kind == scalarNode && strings.TrimSpace(n.text) != "":
		at := n.at
		if at.width = 1; n.quoted {
			at.col++
		}
		for _, c := range n.text {
			if !unicode.IsSpace(c) {
				add(string(c), at)
			}
			at.col++
		}
	default:
		r.fail(n.at, "pattern: MEMEM*E", "pattern: got %s, want letters of blocks, or a list of their names", n.what())
	}
	if r.err != nil {
		return nil
	}
	if len(out) > maxLayers {
		r.fail(n.at, "", "pattern: %d blocks are more than the %d layers supported", len(out), maxLayers)
		return nil
	}
	return out
}

// writeStack writes what readStack reads.
func (r *Recipe) writeStack(w io.Writer) {
	if len(r.Pattern) == 0 {
		fmt.Fprintln(w, "layers:")
		writeLayers(w, r.Layers, "  ")
		return
	}
	fmt.Fprintln(w, "blocks:")
	for _, b := range r.Blocks {
		fmt.Fprintf(w, "  %s:", strconv.Quote(b.Name))
		if len(b.Layers) == 1 {
			fmt.Fprintf(w, " {%s}\n", b.Layers[0].String())
			continue
		}
		fmt.Fprintln(w)
		writeLayers(w, b.Layers, "    ")
	}
	fmt.Fprintf(w, "pattern: %s\n", r.patternYAML())
}

// patternYAML is the pattern as a recipe writes it.
func (r *Recipe) patternYAML() string {
	letters := !slices.ContainsFunc(r.Pattern, func(s string) bool { return len([]rune(s)) != 1 })
	if letters {
		return strconv.Quote(strings.Join(r.Pattern, ""))
	}
	quoted := make([]string, len(r.Pattern))
	for i, s := range r.Pattern {
		quoted[i] = strconv.Quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func writeLayers(w io.Writer, layers []Layer, indent string) {
	for _, l := range layers {
		if !l.Parallel() {
			fmt.Fprintf(w, "%s- %s\n", indent, l.Blocks[0])
			continue
		}
		fmt.Fprintf(w, "%s- parallel:\n", indent)
		for _, b := range l.Blocks {
			fmt.Fprintf(w, "%s    - %s\n", indent, b)
		}
	}
}

// String is the layer in YAML's flow style.
func (l Layer) String() string {
	if !l.Parallel() {
		return l.Blocks[0].String()
	}
	parts := make([]string, len(l.Blocks))
	for i, b := range l.Blocks {
		parts[i] = "{" + b.String() + "}"
	}
	return "parallel: [" + strings.Join(parts, ", ") + "]"
}

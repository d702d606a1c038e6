package recipe

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits that no honest recipe comes near.
const (
	maxBytes  = 1 << 20
	maxTokens = 20_000
	maxDepth  = 32
)

type nodeKind int

const (
	scalarNode nodeKind = iota
	nullNode            // a key without a value, ~ or null
	mapNode
	listNode
)

// node is a value of the YAML that recipes allow.
type node struct {
	kind    nodeKind
	at      place
	text    string // of a scalar
	quoted  bool   // the scalar is text, whatever it looks like
	flow    bool   // a mapping or list in { } or [ ]
	entries []entry
	items   []*node
}

// entry is a key of a mapping with its value.
type entry struct {
	key   string
	at    place
	value *node
}

// get is the value of a key, nil without one.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, e := range n.entries {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

// put replaces or adds a key.
func (n *node) put(key string, at place, value *node) {
	for i := range n.entries {
		if n.entries[i].key == key {
			n.entries[i].at, n.entries[i].value = at, value
			return
		}
	}
	n.entries = append(n.entries, entry{key, at, value})
}

// clone is a deep copy.
func (n *node) clone() *node {
	if n == nil {
		return nil
	}
	c := *n
	c.entries = append([]entry(nil), n.entries...)
	for i := range c.entries {
		c.entries[i].value = c.entries[i].value.clone()
	}
	c.items = make([]*node, len(n.items))
	for i, item := range n.items {
		c.items[i] = item.clone()
	}
	return &c
}

// what describes the node's kind in errors.
func (n *node) what() string {
	switch n.kind {
	case mapNode:
		return "a mapping"
	case listNode:
		return "a list"
	case nullNode:
		return "nothing"
	default:
		return quoteShort(n.text)
	}
}

// parseTree reads one YAML document; nil for a document without content.
func parseTree(name string, src []byte) (*node, error) {
	if len(src) > maxBytes {
		return nil, &Error{File: name, Message: "the file is larger than 1 MiB, the limit for recipes"}
	}
	text := strings.ReplaceAll(string(src), "\r\n", "\n")
	s := newSource(name, text)
	if err := checkCharacters(s); err != nil {
		return nil, err
	}
	tokens := lexer.Tokenize(text)
	if err := checkTokens(s, tokens); err != nil {
		return nil, err
	}
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		return nil, syntaxError(s, err)
	}
	var body ast.Node
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		if body != nil {
			return nil, s.at(d.Body.GetToken()).errorf("one file holds one recipe", "a second document starts here")
		}
		body = d.Body
	}
	if body == nil {
		return nil, nil
	}
	return (&converter{s}).node(body, 0)
}

// checkCharacters refuses bytes that are not plain, visible UTF-8 text.
func checkCharacters(s *source) error {
	for i, line := range s.lines {
		col := 0
		for at, r := range line {
			col++
			p := place{s, i + 1, col, 1}
			switch {
			case r == utf8.RuneError && !strings.HasPrefix(line[at:], "\uFFFD"):
				return p.errorf("save the file as UTF-8", "byte 0x%02x is not valid UTF-8", line[at])
			case r == '\uFEFF':
				return p.errorf("save the file as UTF-8 without a byte order mark", "byte order mark")
			case r == '\t':
				return p.errorf("indent with spaces", "tab character")
			case r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029':
				return p.errorf("", "control character U+%04X", r)
			}
		}
	}
	return nil
}

// forbidden are parts of YAML that recipes do not have.
var forbidden = map[token.Type]struct{ message, hint string }{
	token.AnchorType:     {"anchors are not allowed", "write the value out, or use extends"},
	token.AliasType:      {"aliases are not allowed", "write the value out, or use extends"},
	token.TagType:        {"tags are not allowed", "write the value without one"},
	token.DirectiveType:  {"directives are not allowed", ""},
	token.MergeKeyType:   {"merge keys are not allowed", "use extends"},
	token.MappingKeyType: {"keys after ? are not allowed", "write key: value"},
}

// checkTokens refuses forbidden parts, and texts that would cost much to parse.
func checkTokens(s *source, tokens token.Tokens) error {
	depth, dashes, content := 0, 0, false
	for i, t := range tokens {
		if f, ok := forbidden[t.Type]; ok {
			return s.at(t).errorf(f.hint, "%s", f.message)
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.DocumentHeaderType, token.DocumentEndType:
			if content && i < len(tokens)-1 {
				return s.at(t).errorf("one file holds one recipe", "a second document starts here")
			}
		}
		if t.Type == token.SequenceEntryType {
			dashes++
		} else {
			dashes = 0
		}
		content = content || t.Type != token.CommentType && t.Type != token.DocumentHeaderType
		if depth > maxDepth || dashes > maxDepth {
			return s.at(t).errorf("", "nested deeper than %d", maxDepth)
		}
		if i >= maxTokens {
			return s.at(t).errorf("", "more than %d words and signs, the limit for recipes", maxTokens)
		}
	}
	return nil
}

// syntaxError gives the parser's error our form.
func syntaxError(s *source, err error) error {
	var y yaml.Error
	if errors.As(err, &y) {
		return s.at(y.GetToken()).errorf("", "%s", y.GetMessage())
	}
	return &Error{File: s.name, Message: err.Error()}
}

// at is a token's place.
func (s *source) at(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{src: s, line: 1, col: 1, width: 1}
	}
	width := utf8.RuneCountInString(t.Value)
	if t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType {
		width += 2
	}
	return place{s, t.Position.Line, t.Position.Column, width}
}

// converter turns the parser's nodes into ours.
type converter struct{ src *source }

func (c *converter) node(n ast.Node, depth int) (*node, error) {
	t := n.GetToken()
	out := &node{at: c.src.at(t)}
	if depth > maxDepth {
		return nil, out.at.errorf("", "nested deeper than %d", maxDepth)
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return c.mapping(n, depth)
	case *ast.SequenceNode:
		out.kind, out.flow = listNode, n.IsFlowStyle
		for _, v := range n.Values {
			item, err := c.node(v, depth+1)
			if err != nil {
				return nil, err
			}
			out.items = append(out.items, item)
		}
	case *ast.NullNode:
		out.kind = nullNode
		out.at.width = 1
	case *ast.LiteralNode:
		out.text, out.quoted = n.Value.Value, true
	case ast.ScalarNode:
		out.text = t.Value
		out.quoted = t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType
	default:
		return nil, out.at.errorf("", "%s is not allowed here", n.Type())
	}
	return out, nil
}

func (c *converter) mapping(n *ast.MappingNode, depth int) (*node, error) {
	out := &node{kind: mapNode, flow: n.IsFlowStyle, at: c.src.at(n.GetToken())}
	for i, v := range n.Values {
		key, ok := v.Key.(ast.ScalarNode)
		at := c.src.at(v.Key.GetToken())
		if !ok || key.GetToken() == nil {
			return nil, at.errorf("write key: value", "this key is not a word")
		}
		if i == 0 && !n.IsFlowStyle {
			out.at = at
		}
		name := key.GetToken().Value
		if out.get(name) != nil {
			return nil, at.errorf("", "duplicate key %s", quoteShort(name))
		}
		value, err := c.node(v.Value, depth+1)
		if err != nil {
			return nil, err
		}
		if value.kind == nullNode {
			value.at = at
		}
		out.entries = append(out.entries, entry{name, at, value})
	}
	return out, nil
}

// quoteShort quotes a text of any length for an error.
func quoteShort(s string) string {
	if r := firstRunes(s, 41); len(r) > 40 {
		return `"` + string(r[:40]) + `…"`
	}
	return `"` + s + `"`
}

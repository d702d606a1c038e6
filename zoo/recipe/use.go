package recipe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// variantName is "switch" or "provider/switch".
var variantName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9][A-Za-z0-9._-]{0,99})?$`)

// Use names a plugin's variant and its options.
type Use struct {
	Name    string          // "switch" or "provider/switch"
	Options json.RawMessage // a JSON object with sorted keys; nil when none were written
}

// use reads a variant's name, or {use: NAME, options…}.
func (s *section) use(key, def string) Use {
	n := s.get(key)
	if n == nil || n.kind == nullNode {
		return Use{Name: def}
	}
	name, options := n, &node{kind: mapNode}
	if n.kind == mapNode && n.get("use") != nil {
		name = n.get("use")
		for _, e := range n.entries {
			if e.key != "use" {
				options.entries = append(options.entries, e)
			}
		}
	}
	if name.kind != scalarNode || !variantName.MatchString(name.text) {
		s.fail(name.at, key+": {use: NAME, option: value}", "%s: got %s, want a name", key, name.what())
		return Use{Name: def}
	}
	u := Use{Name: name.text}
	if len(options.entries) > 0 {
		raw, err := json.Marshal(s.plain(options))
		if err != nil {
			s.fail(n.at, "", "%s: %v", key, err)
		}
		u.Options = raw
	}
	return u
}

// plain is a tree as JSON knows it.
func (r *reader) plain(n *node) any {
	switch n.kind {
	case mapNode:
		m := map[string]any{}
		for _, e := range n.entries {
			m[e.key] = r.plain(e.value)
		}
		return m
	case listNode:
		list := []any{}
		for _, item := range n.items {
			list = append(list, r.plain(item))
		}
		return list
	case nullNode:
		return nil
	}
	switch {
	case n.quoted:
		return n.text
	case n.text == "true", n.text == "false":
		return n.text == "true"
	case plainFloat.MatchString(n.text):
		if x, err := strconv.ParseFloat(n.text, 64); err != nil || math.IsInf(x, 0) {
			r.fail(n.at, "", "%s is beyond the range of numbers", quoteShort(n.text))
		}
		return json.Number(n.text)
	case oddWord.MatchString(n.text):
		r.fail(n.at, "write true or false, or quote it", "%s is read differently by different programs", quoteShort(n.text))
	case n.text != "" && strings.ContainsAny(n.text[:1], "0123456789.+-"):
		r.fail(n.at, "quote it if it is text", "%s could be read as a number in more than one way", quoteShort(n.text))
	}
	return n.text
}

// yaml writes a use. Keys and words are quoted: JSON is YAML, but for the space that YAML
// wants behind a colon.
func (u Use) yaml() string {
	if u.Options == nil {
		return u.Name
	}
	d := json.NewDecoder(bytes.NewReader(u.Options))
	d.UseNumber()
	var options map[string]any
	_ = d.Decode(&options) // made by json.Marshal
	parts := []string{"use: " + u.Name}
	for _, k := range sortedKeys(options) {
		parts = append(parts, flowKey(k)+": "+flow(options[k]))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// flow writes a JSON value in YAML's flow style.
func flow(v any) string {
	var parts []string
	switch v := v.(type) {
	case map[string]any:
		for _, k := range sortedKeys(v) {
			parts = append(parts, flowKey(k)+": "+flow(v[k]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		for _, x := range v {
			parts = append(parts, flow(x))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case string:
		return strconv.Quote(v)
	case nil:
		return "null"
	}
	return fmt.Sprint(v) // a number's own digits, true or false
}

var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// flowKey writes a key, quoted where it could be read as something else.
func flowKey(k string) string {
	if plainKey.MatchString(k) && !oddWord.MatchString(k) {
		return k
	}
	return strconv.Quote(k)
}

package importer

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/moezoo/moezoo/zoo/recipe"
)

// Config reads a config.json, beside the tensors that it describes. It keeps the first
// mistake; after one, everything it answers is meaningless. A key that nobody asked for is a
// mistake, too: what is not understood could change what the model computes.
type Config struct {
	values  map[string]any
	known   map[string]bool // keys that were asked for
	idle    map[string]bool // and of those the ones that change nothing
	tensors shapes
	spare   []string // tensors that repeat others
	notes   []string
	err     error
}

// shapes is what a configuration is held against.
type shapes interface {
	names() []string
	shape(tensor string) (shape []int64, ok bool)
	same(a, b string) (bool, error) // whether two tensors hold the same numbers
}

// newConfig begins to read; values may gain entries.
func newConfig(values map[string]any, t shapes) *Config {
	return &Config{values: values, known: map[string]bool{}, idle: map[string]bool{}, tensors: t}
}

// fail notes a mistake.
func (c *Config) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("config.json: "+format, args...)
	}
}

// note says something that is no mistake.
func (c *Config) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// get is a key's value, nil when it is absent or null.
func (c *Config) get(key string) any {
	c.known[key] = true
	return c.values[key]
}

// has reports whether a key has a value.
func (c *Config) has(key string) bool { return c.get(key) != nil }

// size is a whole number of at least 1, which must be there.
func (c *Config) size(key string) int64 {
	if !c.has(key) {
		c.fail("%s is missing", key)
		return 1
	}
	return c.sizeOr(key, 1)
}

// sizeOr is size with what holds when the key is absent.
func (c *Config) sizeOr(key string, def int64) int64 { return c.integer(key, def, 1) }

// integer is a whole number of at least low.
func (c *Config) integer(key string, def, low int64) int64 {
	v := c.get(key)
	if v == nil {
		return def
	}
	number, ok := v.(json.Number)
	n, err := strconv.ParseInt(string(number), 10, 64)
	if !ok || err != nil {
		c.fail("%s is %s, want a whole number", key, spelled(v))
		return low
	}
	if n < low || n > 1<<40 {
		c.fail("%s is %d, want %d to 2^40", key, n, low)
		return low
	}
	return n
}

// number is a finite number.
func (c *Config) number(key string, def float64) float64 {
	v := c.get(key)
	if v == nil {
		return def
	}
	x, ok := float(v)
	if !ok || math.IsNaN(x) || math.IsInf(x, 0) {
		c.fail("%s is %s, want a finite number", key, spelled(v))
		return def
	}
	return x
}

// float is a JSON value as a number. Some write infinity as a word.
func float(v any) (float64, bool) {
	switch v := v.(type) {
	case string:
		return math.Inf(1), v == "Infinity"
	case float64:
		return v, true
	case json.Number:
		x, err := v.Float64()
		return x, err == nil
	}
	return 0, false
}

// flag is true or false.
func (c *Config) flag(key string, def bool) bool {
	v := c.get(key)
	if v == nil {
		return def
	}
	b, ok := v.(bool)
	if !ok {
		c.fail("%s is %s, want true or false", key, spelled(v))
	}
	return b
}

// word is one of a few words.
func (c *Config) word(key, def string, among ...string) string {
	v := c.get(key)
	if v == nil {
		return def
	}
	w, ok := v.(string)
	if !ok || !slices.Contains(among, w) {
		c.fail("%s is %s, which is not supported: want %s", key, spelled(v), strings.Join(among, " or "))
		return def
	}
	return w
}

// words is a list of a given length, of words among few.
func (c *Config) words(key string, length int64, among ...string) []string {
	list, ok := c.get(key).([]any)
	if !ok || int64(len(list)) != length {
		c.fail("%s is %s, want a list of %d words", key, spelled(c.get(key)), length)
		return make([]string, length)
	}
	out := make([]string, length)
	for i, v := range list {
		if out[i], ok = v.(string); !ok || !slices.Contains(among, out[i]) {
			c.fail("%s[%d] is %s, which is not supported: want %s", key, i, spelled(v), strings.Join(among, " or "))
		}
	}
	return out
}

// want refuses settings that nothing here computes: a key may be absent, null, or one of
// these values.
func (c *Config) want(key string, values ...any) {
	v := c.get(key)
	if v == nil {
		return
	}
	for _, w := range values {
		x, isNumber := float(v)
		y, wantNumber := w.(float64)
		if reflect.DeepEqual(v, w) || isNumber && wantNumber && x == y {
			return
		}
	}
	allowed := make([]string, len(values))
	for i, w := range values {
		allowed[i] = spelled(w)
	}
	c.fail("%s is %s, which is not supported: want %s", key, spelled(v), strings.Join(append(allowed, "none"), " or "))
}

// harmless are keys that change nothing of what the model computes.
func (c *Config) harmless(keys ...string) {
	for _, k := range keys {
		c.known[k], c.idle[k] = true, true
	}
}

// spelled is a JSON value as a message shows it.
func spelled(v any) string {
	if x, ok := v.(float64); ok {
		return strconv.FormatFloat(x, 'g', -1, 64)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%.80v", v)
	}
	if len(raw) > 80 {
		return string(raw[:80]) + "…"
	}
	return string(raw)
}

// done refuses keys that nobody asked for, and warns of those that would run code.
func (c *Config) done(model string) {
	for _, key := range sortedKeys(c.values) {
		if c.known[key] {
			continue
		}
		if reason, ok := startsCode[key]; ok {
			c.note("%s in config.json has no effect: %s", key, reason)
			continue
		}
		if _, ok := harmlessKeys[key]; ok {
			continue
		}
		if allowed, ok := mustBeOff[key]; ok {
			c.want(key, allowed...)
			continue
		}
		hint := ""
		if near := recipe.Nearest(key, c.candidates()); near != "" {
			hint = fmt.Sprintf(" (did you mean %q?)", near)
		}
		c.fail("the key %.100q is not known for %s, and may change what it computes%s", key, model, hint)
	}
}

// candidates are the keys that a misspelt one could stand for.
func (c *Config) candidates() []string {
	all := append(sortedKeys(c.known), sortedKeys(harmlessKeys)...)
	return slices.DeleteFunc(all, func(k string) bool { return c.values[k] != nil })
}

// shape is a tensor's shape, which must have as many axes.
func (c *Config) shape(tensor string, axes int) []int64 {
	s, ok := c.tensors.shape(tensor)
	if !ok || len(s) != axes {
		if ok {
			c.fail("tensor %s has the shape %v, want %d axes", tensor, s, axes)
		} else {
			c.fail("tensor %s is missing", tensor)
		}
		return slices.Repeat([]int64{1}, axes)
	}
	return s
}

// hasTensor reports whether there is a tensor of this name.
func (c *Config) hasTensor(name string) bool { _, ok := c.tensors.shape(name); return ok }

// layers is the number of layers that a key says, held against the tensors, whose names
// begin with prefix and the layer's number.
func (c *Config) layers(key, prefix string) int64 {
	return c.counted(c.size(key), key, "layers", prefix)
}

// experts is n, the number of experts that a key says, held against the tensors likewise.
func (c *Config) experts(n int64, key, prefix string) int64 {
	return c.counted(n, key, "experts", prefix)
}

func (c *Config) counted(n int64, key, what, prefix string) int64 {
	seen := map[string]bool{}
	for _, name := range c.tensors.names() {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			number, _, _ := strings.Cut(rest, ".")
			seen[number] = true
		}
	}
	if c.err == nil && int64(len(seen)) != n {
		c.fail("%s is %d, but the tensors are those of %d %s (%sN)", key, n, len(seen), what, prefix)
	}
	if c.err != nil {
		return 1
	}
	return n
}

// kinds is what each layer is by a list of words, of which each spelling stands for a kind;
// nil when the key is absent.
func (c *Config) kinds(key string, length int64, spellings map[string]string) []string {
	if !c.has(key) {
		return nil
	}
	out := c.words(key, length, sortedKeys(spellings)...)
	for i, w := range out {
		out[i] = spellings[w]
	}
	return out
}

// vocabulary is the number of tokens that a key says, held against the rows of a table.
func (c *Config) vocabulary(key, table string) recipe.Vocabulary {
	n := c.size(key)
	if rows := c.shape(table, 2)[0]; rows != n {
		c.fail("%s is %d, but %s has %d rows", key, n, table, rows)
	}
	return recipe.Vocabulary{Kind: recipe.Sized, Size: n}
}

// tied reports whether the head is the embedding's transpose. The tensors say it, whatever
// the configuration does: without a head it is, and with one that equals the embedding where
// the configuration wants it, too.
func (c *Config) tied(key string, def bool, table, head string) bool {
	says, there := c.flag(key, def), c.hasTensor(head)
	switch {
	case c.err != nil || !there && says:
		return true
	case !there:
		c.note("there is no %s: the head is tied to the embedding, though %s is false", head, key)
		return true
	case !says:
		return false
	}
	same, err := c.tensors.same(table, head)
	if err != nil {
		c.fail("%w", err)
	}
	if same {
		c.spare = append(c.spare, head)
		return true
	}
	c.note("%s differs from %s: the head is not tied, though %s is true", head, table, key)
	return false
}

// agrees refuses a setting that says other than the tensors, which come first.
func (c *Config) agrees(key string, size int64, tensor string) {
	if key != "" && c.has(key) && c.sizeOr(key, size) != size {
		c.fail("%s is %s, but by the shape of %s it is %d", key, spelled(c.get(key)), tensor, size)
	}
}

// agreesFlag refuses a bias that is asked for and missing, or there against the settings.
func (c *Config) agreesFlag(key string, there bool, tensor string) {
	if c.flag(key, there) != there {
		c.fail("%s is %s, but by the tensors (%s) it is %v", key, spelled(c.get(key)), tensor, there)
	}
}

// integers is a list of whole numbers from 0 on.
func (c *Config) integers(key string) []int64 {
	v := c.get(key)
	if v == nil {
		return nil
	}
	list, ok := v.([]any)
	out := make([]int64, len(list))
	for i := range list {
		n, isNumber := list[i].(json.Number)
		var err error
		out[i], err = strconv.ParseInt(string(n), 10, 64)
		ok = ok && isNumber && err == nil && out[i] >= 0
	}
	if !ok {
		c.fail("%s is %s, want a list of whole numbers", key, spelled(v))
		return nil
	}
	return out
}

// flatten makes the settings of a mapping settings of their own: "ssm_cfg.d_state".
func (c *Config) flatten(key string) {
	switch v := c.get(key).(type) {
	case nil:
	case map[string]any:
		for k, x := range v {
			c.values[key+"."+k] = x
		}
	default:
		c.fail("%s is %s, want a mapping", key, spelled(v))
	}
}

// multiple is n / of, which must be whole; words say what they are.
func (c *Config) multiple(n, of int64, what, ofWhat string) int64 {
	if of == 0 || n%of != 0 || n == 0 {
		c.fail("%s %d is no multiple of %s %d", what, n, ofWhat, of)
		return 1
	}
	return n / of
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

package tokenizer

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// fields are the members of a JSON object that are still to be read. Unlike encoding/json,
// they tell upper from lower case and know no key twice.
type fields struct {
	where string
	left  map[string]json.RawMessage
	err   error
}

func readFields(where string, raw json.RawMessage) *fields {
	f := &fields{where: where, left: map[string]json.RawMessage{}}
	err := eachMember(raw, func(key string, value json.RawMessage) error {
		if _, twice := f.left[key]; twice {
			return fmt.Errorf("%q occurs twice", key)
		}
		f.left[key] = value
		return nil
	})
	if err != nil {
		f.fail("%w", err)
	}
	return f
}

// take reads a member and strikes it off; fallback stands for null and for what is absent.
func take[T any](f *fields, key string, fallback T) T {
	raw, ok := f.left[key]
	delete(f.left, key)
	if !ok || f.err != nil || string(raw) == "null" {
		return fallback
	}
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		f.fail("%s: %w", key, err)
		return fallback
	}
	return v
}

// want is take of a member that must be there.
func want[T any](f *fields, key string) T {
	var none T
	if _, ok := f.left[key]; !ok {
		f.fail("%s is missing", key)
		return none
	}
	return take(f, key, none)
}

// fail keeps the first error.
func (f *fields) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf(format, args...)
		if f.where != "" {
			f.err = fmt.Errorf("%s: %w", f.where, f.err)
		}
	}
}

// oneOf reads a word that must be one of a few.
func (f *fields) oneOf(key, fallback string, words ...string) string {
	word := take(f, key, fallback)
	if !slices.Contains(words, word) {
		f.fail("%s: %q is unsupported, want %s", key, word, strings.Join(words, ", "))
	}
	return word
}

// done answers the error, which members that nobody has read are too.
func (f *fields) done() error {
	for _, key := range slices.Sorted(maps.Keys(f.left)) {
		f.fail("the key %q is unknown", key)
	}
	return f.err
}

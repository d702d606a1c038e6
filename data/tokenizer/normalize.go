package tokenizer

import (
	"bytes"
	"encoding/json"
	"slices"

	"golang.org/x/text/unicode/norm"
)

// A normalizer changes a text before it is cut.
type normalizer interface {
	apply(text []byte) []byte
}

type (
	unicodeForm norm.Form
	prepend     []byte // before a text that is not empty
	replace     struct{ from, to []byte }
)

func (n unicodeForm) apply(text []byte) []byte { return norm.Form(n).Bytes(text) }

func (n prepend) apply(text []byte) []byte {
	if len(text) == 0 {
		return text
	}
	return slices.Concat(n, text)
}

func (n replace) apply(text []byte) []byte { return bytes.ReplaceAll(text, n.from, n.to) }

// maxNesting is how deep a Sequence may lie in others.
const maxNesting = 8

// readNormalizers reads a normalizer, a Sequence as several.
func readNormalizers(where string, raw json.RawMessage, depth int) ([]normalizer, error) {
	if isNull(raw) {
		return nil, nil
	}
	f := readFields(where, raw)
	var all []normalizer
	switch kind := want[string](f, "type"); kind {
	case "NFC":
		all = append(all, unicodeForm(norm.NFC))
	case "NFD":
		all = append(all, unicodeForm(norm.NFD))
	case "NFKC":
		all = append(all, unicodeForm(norm.NFKC))
	case "NFKD":
		all = append(all, unicodeForm(norm.NFKD))
	case "Prepend":
		all = append(all, prepend(want[string](f, "prepend")))
	case "Replace":
		all = append(all, replace{[]byte(readString(f)), []byte(want[string](f, "content"))})
	case "Sequence":
		for _, inner := range sequence(f, "normalizers", depth) {
			more, err := readNormalizers(where, inner, depth+1)
			if err != nil {
				return nil, err
			}
			all = append(all, more...)
		}
	default:
		f.fail("the type %.80q is unsupported, want NFC, NFD, NFKC, NFKD, Prepend, Replace or Sequence", kind)
	}
	return all, f.done()
}

func isNull(raw json.RawMessage) bool { return raw == nil || string(raw) == "null" }

// sequence reads the members of a Sequence that lies in depth others.
func sequence(f *fields, key string, depth int) []json.RawMessage {
	if depth >= maxNesting {
		f.fail("more than %d sequences are nested", maxNesting)
		return nil
	}
	return want[[]json.RawMessage](f, key)
}

// readString reads the pattern {"String": text}.
func readString(f *fields) string {
	pattern := readFields(f.where+": pattern", want[json.RawMessage](f, "pattern"))
	text := want[string](pattern, "String")
	if err := pattern.done(); err != nil {
		f.fail("%w", err)
	}
	if text == "" {
		f.fail("the pattern is empty")
	}
	return text
}

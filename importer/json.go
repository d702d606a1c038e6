package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// Limits of a configuration.
const (
	maxConfig = 4 << 20 // bytes
	maxDepth  = 32
)

// parseConfig reads a JSON object as Python writes it, with Infinity and NaN. Numbers stay
// json.Number, but for those. Keys that occur twice, text that is no UTF-8, what is nested
// deeper than maxDepth and what goes on after its end are errors.
func parseConfig(raw []byte) (map[string]any, error) {
	switch {
	case len(raw) > maxConfig:
		return nil, fmt.Errorf("%d bytes are over the limit of %d", len(raw), maxConfig)
	case !utf8.Valid(raw):
		return nil, errors.New("is not valid UTF-8")
	}
	raw = quoteInfinities(raw)
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	v, err := parseValue(d, 0)
	if err != nil {
		return nil, err
	}
	if rest := bytes.TrimLeft(raw[d.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return nil, errors.New("goes on after its closing }")
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("is no JSON object")
	}
	return m, nil
}

// quoteInfinities writes numbers that JSON does not know as an object, which is also how
// newer transformers write them.
func quoteInfinities(raw []byte) []byte {
	var out []byte
	inside := false // of a string
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case inside && c == '\\' && i+1 < len(raw):
			out = append(out, c, raw[i+1])
			i++
			continue
		case c == '"':
			inside = !inside
		case !inside && (c == 'I' || c == 'N' || c == '-'):
			if word := leadingWord(raw[i:]); word != "" {
				out = append(out, `{"__float__":"`+word+`"}`...)
				i += len(word) - 1
				continue
			}
		}
		out = append(out, c)
	}
	return out
}

func leadingWord(raw []byte) string {
	for _, w := range []string{"Infinity", "-Infinity", "NaN"} {
		if bytes.HasPrefix(raw, []byte(w)) {
			return w
		}
	}
	return ""
}

// parseValue reads one value.
func parseValue(d *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("is nested deeper than %d", maxDepth)
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := parseValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	case json.Delim('{'):
		return parseObject(d, depth)
	}
	return t, nil
}

func parseObject(d *json.Decoder, depth int) (any, error) {
	m := map[string]any{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, _ := t.(string)
		if _, twice := m[key]; twice {
			return nil, fmt.Errorf("%.100q occurs twice", key)
		}
		if m[key], err = parseValue(d, depth+1); err != nil {
			return nil, err
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if word, ok := m["__float__"].(string); ok && len(m) == 1 {
		switch word {
		case "Infinity":
			return math.Inf(1), nil
		case "-Infinity":
			return math.Inf(-1), nil
		case "NaN":
			return math.NaN(), nil
		}
	}
	return m, nil
}

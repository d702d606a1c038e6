package tokenizer

import (
	"encoding/json"
	"errors"
)

// These walk through JSON that is known to be valid (json.Valid), without a copy: a
// tokenizer.json is up to 100 MB, nearly all of it one object and one list.

// eachMember calls f with each member of an object.
func eachMember(raw json.RawMessage, f func(key string, value json.RawMessage) error) error {
	at := skipSpace(raw, 0)
	if at == len(raw) || raw[at] != '{' {
		return errors.New("is no JSON object")
	}
	for at = skipSpace(raw, at+1); raw[at] != '}'; {
		end := valueEnd(raw, at)
		key, err := unquote(raw[at:end])
		if err != nil {
			return err
		}
		at = skipSpace(raw, skipSpace(raw, end)+1) // behind the colon
		end = valueEnd(raw, at)
		if err := f(key, raw[at:end]); err != nil {
			return err
		}
		if at = skipSpace(raw, end); raw[at] == ',' {
			at = skipSpace(raw, at+1)
		}
	}
	return nil
}

// eachElement calls f with each element of a list.
func eachElement(raw json.RawMessage, f func(value json.RawMessage) error) error {
	at := skipSpace(raw, 0)
	if at == len(raw) || raw[at] != '[' {
		return errors.New("is no JSON list")
	}
	for at = skipSpace(raw, at+1); raw[at] != ']'; {
		end := valueEnd(raw, at)
		if err := f(raw[at:end]); err != nil {
			return err
		}
		if at = skipSpace(raw, end); raw[at] == ',' {
			at = skipSpace(raw, at+1)
		}
	}
	return nil
}

func skipSpace(raw []byte, at int) int {
	for at < len(raw) && (raw[at] == ' ' || raw[at] == '\n' || raw[at] == '\t' || raw[at] == '\r') {
		at++
	}
	return at
}

// valueEnd is where the value ends that begins at a place.
func valueEnd(raw []byte, at int) int {
	for depth := 0; at < len(raw); at++ {
		switch raw[at] {
		case '"':
			for at++; raw[at] != '"'; at++ {
				if raw[at] == '\\' {
					at++
				}
			}
			if depth == 0 {
				return at + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			switch depth {
			case 0:
				return at // of a number or word
			case 1:
				return at + 1
			}
			depth--
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return at
			}
		}
	}
	return at
}

// unquote is the string that a value is.
func unquote(raw json.RawMessage) (string, error) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", errors.New("is no string")
	}
	plain := raw[1 : len(raw)-1]
	for _, c := range plain {
		if c == '\\' {
			var s string
			err := json.Unmarshal(raw, &s)
			return s, err
		}
	}
	return string(plain), nil
}

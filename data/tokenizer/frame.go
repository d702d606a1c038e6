package tokenizer

import (
	"encoding/json"
	"fmt"
)

// readFrame reads a post_processor: ByteLevel, which changes no ids, and TemplateProcessing,
// whose template for one text gives the tokens before and behind it.
func (p *Pipeline) readFrame(raw json.RawMessage, depth int) error {
	if isNull(raw) {
		return nil
	}
	f := readFields("post_processor", raw)
	switch kind := want[string](f, "type"); kind {
	case "ByteLevel":
		for _, key := range []string{"add_prefix_space", "trim_offsets", "use_regex"} {
			take(f, key, true)
		}
	case "TemplateProcessing":
		single, special := want[[]json.RawMessage](f, "single"), take(f, "special_tokens", json.RawMessage("{}"))
		take(f, "pair", json.RawMessage(nil))
		if f.err == nil {
			return joined(f, p.readTemplate(single, special))
		}
	case "Sequence":
		for _, inner := range sequence(f, "processors", depth) {
			if err := p.readFrame(inner, depth+1); err != nil {
				return err
			}
		}
	default:
		f.fail("the type %.80q is unsupported, want ByteLevel, TemplateProcessing or Sequence", kind)
	}
	return f.done()
}

func joined(f *fields, err error) error {
	if err != nil {
		f.fail("%w", err)
	}
	return f.done()
}

// readTemplate reads a list of {"SpecialToken": …} and {"Sequence": …}, and the ids of the
// special tokens.
func (p *Pipeline) readTemplate(single []json.RawMessage, special json.RawMessage) error {
	specials := readFields("special_tokens", special)
	seen := false
	for i, raw := range single {
		item := readFields(fmt.Sprintf("single[%d]", i), raw)
		if sequence := take(item, "Sequence", json.RawMessage(nil)); sequence != nil {
			if seen {
				item.fail("the text occurs twice")
			}
			seen = true
			if err := item.done(); err != nil {
				return err
			}
			continue
		}
		token := readFields(fmt.Sprintf("single[%d]", i), want[json.RawMessage](item, "SpecialToken"))
		name := want[string](token, "id")
		take(token, "type_id", 0)
		if err := token.done(); err != nil {
			return err
		}
		if err := item.done(); err != nil {
			return err
		}
		entry, ok := specials.left[name]
		if !ok {
			return fmt.Errorf("special_tokens do not have %.80q", name)
		}
		described := readFields("special_tokens", entry)
		for _, id := range want[[]int64](described, "ids") {
			if id < 0 || id >= int64(len(p.model.contents)) {
				described.fail("the id %d of %.80q is outside of the vocabulary of %d", id, name, len(p.model.contents))
			}
			if seen {
				p.after = append(p.after, id)
			} else {
				p.before = append(p.before, id)
			}
		}
		take(described, "id", "")
		take(described, "tokens", []string(nil))
		if err := described.done(); err != nil {
			return err
		}
	}
	if specials.err == nil && !seen {
		return fmt.Errorf("the template has no place for the text")
	}
	return specials.err
}

package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/moezoo/moezoo/plugins/wire"
)

// optionSchema is what verification reads of an option's schema.
type optionSchema struct {
	Type        any             `json:"type"`
	Default     json.RawMessage `json:"default"`
	Description string          `json:"description"`
	Enum        []any           `json:"enum"`
	Minimum     json.RawMessage `json:"minimum"`
	Maximum     json.RawMessage `json:"maximum"`
}

// verifyOptions checks that a variant's options are documented, have valid defaults, that
// others are refused, and that each of their choices builds.
func (p *provider) verifyOptions(ctx context.Context, r *Report, v Variant) {
	s, err := compileSchema(v.Schema)
	var described struct {
		Properties map[string]optionSchema `json:"properties"`
	}
	if err == nil {
		err = json.Unmarshal(v.Schema, &described)
	}
	if !r.add(v.Name+": options have a schema", err) {
		return
	}
	options := described.Properties
	r.add(v.Name+": options are documented, with valid defaults", verifyDefaults(s, options))
	r.add(v.Name+": an unknown option is refused", refusesUnknown(s))
	r.add(v.Name+": refuses options that are no JSON object", p.refusesNonsense(ctx, v, len(options) > 0))
	r.add(v.Name+": each choice of an option builds or is refused in words", p.verifyChoices(ctx, v, options))
}

func verifyDefaults(s *schema, options map[string]optionSchema) error {
	var wrong []error
	defaults := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(options)) {
		o := options[name]
		if o.Description == "" {
			wrong = append(wrong, fmt.Errorf("option %s has no description", cleanLine(name, 80)))
		}
		if len(o.Default) == 0 {
			wrong = append(wrong, fmt.Errorf("option %s has no default", cleanLine(name, 80)))
			continue
		}
		_, value, err := canonicalConfig(json.RawMessage(`{"d":` + string(o.Default) + `}`))
		if err != nil {
			return err
		}
		defaults[name] = value["d"]
	}
	if err := s.checkConfig("the defaults", defaults); err != nil && len(wrong) == 0 {
		wrong = append(wrong, err)
	}
	return errors.Join(wrong...)
}

// refusesUnknown gives an option that nobody has.
func refusesUnknown(s *schema) error {
	if s.checkConfig("", map[string]any{"no_such_option": json.Number("1")}) == nil {
		return errors.New(`its schema takes an option that it does not name, so a person's slip goes unseen; add "additionalProperties": false`)
	}
	return nil
}

// refusesNonsense sends what the host would not let through.
func (p *provider) refusesNonsense(ctx context.Context, v Variant, mustFail bool) error {
	for _, config := range []string{`[1]`, `{"`} {
		if err := p.survives(ctx, &wire.BuildRequest{Variant: v.Name, Config: []byte(config), Dims: verifyDims[0]}, mustFail); err != nil {
			return fmt.Errorf("options %s: %w", config, err)
		}
	}
	return nil
}

// verifyChoices builds with every choice of an enumeration, both booleans, and the bounds of
// numbers, one option at a time.
func (p *provider) verifyChoices(ctx context.Context, v Variant, options map[string]optionSchema) error {
	s, err := compileSchema(v.Schema)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(options)) {
		o := options[name]
		choices := o.Enum
		if o.Type == "boolean" {
			choices = []any{false, true}
		}
		for _, bound := range []json.RawMessage{o.Minimum, o.Maximum} {
			if len(bound) > 0 {
				choices = append(choices, bound)
			}
		}
		for _, choice := range choices {
			raw, err := json.Marshal(map[string]any{name: choice})
			if err != nil {
				return err
			}
			config, values, err := canonicalConfig(raw)
			if err != nil || s.checkConfig("", values) != nil {
				continue // excluded by another rule of the schema
			}
			if err := p.verifyChoice(ctx, v, config); err != nil {
				return fmt.Errorf("options %s: %w", config, err)
			}
		}
	}
	return nil
}

func (p *provider) verifyChoice(ctx context.Context, v Variant, config json.RawMessage) error {
	req := &wire.BuildRequest{Variant: v.Name, Config: config, Dims: verifyDims[0]}
	if err := p.survives(ctx, req, false); err != nil {
		return err
	}
	resp, err := p.build(ctx, req)
	if err != nil {
		return nil // in words, as survives has seen
	}
	if errs, _ := diagnosticsOf(resp); len(errs) > 0 {
		return nil
	}
	if err := checkAnswer(v, resp); err != nil {
		return err
	}
	if p.h.cfg.Checker == nil {
		return nil
	}
	return p.h.cfg.Checker(v, req, resp)
}

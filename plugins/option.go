package plugins

import (
	"encoding/json"
	"maps"
	"slices"
)

// Option is one of a variant's options, as its schema describes it.
type Option struct {
	Name    string
	Default string // as JSON; empty where the schema gives none
	Doc     string
}

// Options lists the options at the top of the variant's schema by name.
func (v *Variant) Options() []Option {
	var schema struct {
		Properties map[string]struct {
			Default     json.RawMessage `json:"default"`
			Description string          `json:"description"`
		} `json:"properties"`
	}
	if json.Unmarshal(v.Schema, &schema) != nil {
		return nil // a schema may be a mere true
	}
	var out []Option
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		p := schema.Properties[name]
		out = append(out, Option{cleanLine(name, 80), cleanLine(string(p.Default), 80), cleanLine(p.Description, 200)})
	}
	return out
}

package plugins

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/moezoo/moezoo/plugins/wire"
)

// Description is what a provider says of itself, as listings and manifests hold
// it.
type Description struct {
	Provider string    `json:"provider"`
	Version  string    `json:"version"`
	Protocol int       `json:"protocol"`
	Variants []Variant `json:"variants"`
}

// Variant is one router or expert of a provider.
type Variant struct {
	Name         string          `json:"name"`
	Kind         Kind            `json:"kind"`
	Doc          string          `json:"doc"`
	Paper        string          `json:"paper,omitempty"`
	Schema       json.RawMessage `json:"config_schema"`
	Capabilities Capabilities    `json:"capabilities"`
	Revision     uint32          `json:"revision"`
}

// Kind is "router" or "expert".
type Kind string

// The kinds of variants.
const (
	RouterKind Kind = "router"
	ExpertKind Kind = "expert"
)

// Capabilities say what a variant needs from the layer around it; see the wire
// message of that name.
type Capabilities struct {
	Causal         bool     `json:"causal,omitempty"`
	NeedsTokenIDs  bool     `json:"needs_token_ids,omitempty"`
	NeedsPositions bool     `json:"needs_positions,omitempty"`
	NeedsRNG       bool     `json:"needs_rng,omitempty"`
	Stateful       bool     `json:"stateful,omitempty"`
	Allow          []string `json:"allow,omitempty"`
}

// List is the capabilities in words, for tables: "causal, needs token ids".
func (c Capabilities) List() string {
	var words []string
	for _, w := range []struct {
		on   bool
		word string
	}{
		{c.Causal, "causal"},
		{!c.Causal, "looks at later tokens"},
		{c.NeedsTokenIDs, "needs token ids"},
		{c.NeedsPositions, "needs positions"},
		{c.NeedsRNG, "needs randomness"},
		{c.Stateful, "keeps state"},
		{len(c.Allow) > 0, "asks for " + strings.Join(c.Allow, " ")},
	} {
		if w.on {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, ", ")
}

// Find is the variant of that kind and name.
func (d *Description) Find(kind Kind, name string) (Variant, bool) {
	for _, v := range d.Variants {
		if v.Kind == kind && v.Name == name {
			return v, true
		}
	}
	return Variant{}, false
}

// describe turns a checked wire description into a Description.
func describe(d *wire.DescribeResponse) *Description {
	out := &Description{Provider: d.Provider, Version: d.Version, Protocol: ProtocolVersion}
	for _, v := range d.Variants {
		c := v.GetCapabilities()
		out.Variants = append(out.Variants, Variant{
			Name: v.Name, Kind: kindOf(v.Kind), Doc: v.Doc, Paper: v.Paper,
			Schema: compactSchema(v.ConfigSchema), Revision: v.Revision,
			Capabilities: Capabilities{
				Causal: c.GetCausal(), NeedsTokenIDs: c.GetNeedsTokenIds(), NeedsPositions: c.GetNeedsPositions(),
				NeedsRNG: c.GetNeedsRng(), Stateful: c.GetStateful(), Allow: c.GetAllow(),
			},
		})
	}
	return out
}

// compactSchema is the schema without spaces, and the one that allows only {} for
// none.
func compactSchema(raw []byte) json.RawMessage {
	var b bytes.Buffer
	if len(raw) == 0 || json.Compact(&b, raw) != nil {
		return json.RawMessage(emptySchema)
	}
	return b.Bytes()
}

func kindOf(k wire.Kind) Kind {
	if k == wire.Kind_KIND_EXPERT {
		return ExpertKind
	}
	return RouterKind
}

// undescribe is the inverse of describe; a manifest is checked by the same rules
// as an answer over the wire.
func undescribe(d *Description) *wire.DescribeResponse {
	out := &wire.DescribeResponse{Provider: d.Provider, Version: d.Version}
	for _, v := range d.Variants {
		kind := wire.Kind_KIND_UNSPECIFIED
		switch v.Kind {
		case RouterKind:
			kind = wire.Kind_KIND_ROUTER
		case ExpertKind:
			kind = wire.Kind_KIND_EXPERT
		}
		c := v.Capabilities
		out.Variants = append(out.Variants, &wire.Variant{
			Name: v.Name, Kind: kind, Doc: v.Doc, Paper: v.Paper, ConfigSchema: v.Schema, Revision: v.Revision,
			Capabilities: &wire.Capabilities{
				Causal: c.Causal, NeedsTokenIds: c.NeedsTokenIDs, NeedsPositions: c.NeedsPositions,
				NeedsRng: c.NeedsRNG, Stateful: c.Stateful, Allow: c.Allow,
			},
		})
	}
	return out
}

func sameDescription(a, b *Description) bool {
	x, err := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err == nil && err2 == nil && string(x) == string(y)
}

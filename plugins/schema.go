package plugins

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

const (
	schemaURL   = "zoo:config"
	emptySchema = `{"type":"object","additionalProperties":false}`
)

// schema is a compiled config schema together with its source, which hints need.
type schema struct {
	compiled *jsonschema.Schema
	source   any
}

// noLoader keeps a schema from reading files or the network.
type noLoader struct{}

// Load implements jsonschema.URLLoader.
func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("a config schema must be complete in itself; it refers to %s", cleanLine(url, 200))
}

// compileSchema reads a JSON Schema 2020-12. An empty one allows only {}.
func compileSchema(raw []byte) (s *schema, err error) {
	if len(raw) == 0 {
		raw = []byte(emptySchema)
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it cannot be compiled: %v", r)
		}
	}()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource(schemaURL, doc); err != nil {
		return nil, err
	}
	compiled, err := c.Compile(schemaURL)
	if err != nil {
		return nil, errors.New(cleanLine(err.Error(), maxTextBytes))
	}
	return &schema{compiled: compiled, source: doc}, nil
}

// checkConfig says what is wrong with a config, nil if nothing is. plugin is the
// qualified name.
func (s *schema) checkConfig(plugin string, config map[string]any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &InputError{Plugin: plugin, Detail: fmt.Sprintf("the config cannot be checked: %v", r)}
		}
	}()
	bad := s.compiled.Validate(config)
	if bad == nil {
		return nil
	}
	var ve *jsonschema.ValidationError
	if !errors.As(bad, &ve) {
		return &InputError{Plugin: plugin, Detail: cleanLine(bad.Error(), maxTextBytes)}
	}
	for len(ve.Causes) > 0 {
		ve = ve.Causes[0]
	}
	return s.describeViolation(plugin, ve)
}

// describeViolation words the innermost violation.
func (s *schema) describeViolation(plugin string, ve *jsonschema.ValidationError) error {
	e := &InputError{Plugin: plugin, Path: ve.InstanceLocation}
	switch k := ve.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		name := k.Properties[0]
		e.Path = append(append([]string(nil), ve.InstanceLocation...), name)
		e.Detail = "there is no such option"
		e.Hint = didYouMean(name, s.properties(ve.SchemaURL))
		if e.Hint == "" {
			e.Hint = "no options are taken here"
		}
	case *kind.Enum:
		e.Detail = fmt.Sprintf("%v is not one of the choices", k.Got)
		var names []string
		for _, w := range k.Want {
			names = append(names, fmt.Sprint(w))
		}
		e.Hint = didYouMean(fmt.Sprint(k.Got), names)
	case *kind.Required:
		e.Detail = "option " + strings.Join(k.Missing, ", ") + " is missing"
	default:
		e.Detail = cleanLine(ve.ErrorKind.LocalizedString(message.NewPrinter(language.English)), maxTextBytes)
	}
	return e
}

// properties lists the property names of the schema at that place.
func (s *schema) properties(url string) []string {
	_, pointer, _ := strings.Cut(url, "#")
	at := s.source
	for _, key := range strings.Split(strings.Trim(pointer, "/"), "/") {
		if key == "" {
			continue
		}
		key = strings.NewReplacer("~1", "/", "~0", "~").Replace(key)
		m, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = m[key]
	}
	m, _ := at.(map[string]any)
	props, _ := m["properties"].(map[string]any)
	var names []string
	for n := range props {
		names = append(names, n)
	}
	return names
}

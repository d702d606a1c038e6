package plugins

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// configSchema is the JSON Schema of a struct of options with its defaults: every field
// with a json tag, of type bool, integer, float or string; doc, min, max and enum tags
// become description, minimum, maximum and enum.
func configSchema(defaults any) []byte {
	v := reflect.ValueOf(defaults)
	properties := map[string]any{}
	if v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" || name == "-" {
				continue
			}
			properties[name] = property(f, v.Field(i))
		}
	}
	raw, err := json.Marshal(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false, "properties": properties,
	})
	if err != nil {
		panic(fmt.Sprintf("plugins: options %T do not describe themselves: %v", defaults, err))
	}
	return raw
}

func property(f reflect.StructField, v reflect.Value) map[string]any {
	p := map[string]any{"default": v.Interface()}
	switch v.Kind() {
	case reflect.Bool:
		p["type"] = "boolean"
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Uint64:
		p["type"] = "integer"
	case reflect.Float64, reflect.Float32:
		p["type"] = "number"
	case reflect.String:
		p["type"] = "string"
	default:
		panic(fmt.Sprintf("plugins: option %s is a %v; bool, integer, float and string are possible", f.Name, v.Kind()))
	}
	if doc := f.Tag.Get("doc"); doc != "" {
		p["description"] = doc
	}
	for tag, key := range map[string]string{"min": "minimum", "max": "maximum"} {
		if text := f.Tag.Get(tag); text != "" {
			n, err := strconv.ParseFloat(text, 64)
			if err != nil {
				panic(fmt.Sprintf("plugins: option %s: %v", f.Name, err))
			}
			p[key] = n
		}
	}
	if list := f.Tag.Get("enum"); list != "" {
		p["enum"] = strings.Split(list, ",")
	}
	return p
}

package tool

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// schemaTags are the keywords that a jsonschema tag may set, and where in the
// schema each shows.
var schemaTags = map[string]string{
	"title": "title", "description": "description", "type": "type", "anchor": "$anchor",
	"oneof_type": "oneOf", "anyof_type": "anyOf", "default": "default", "example": "examples", "enum": "enum",
	"readOnly": "readOnly", "writeOnly": "writeOnly",
	"minLength": "minLength", "maxLength": "maxLength", "pattern": "pattern", "format": "format",
	"multipleOf": "multipleOf", "minimum": "minimum", "maximum": "maximum",
	"exclusiveMinimum": "exclusiveMinimum", "exclusiveMaximum": "exclusiveMaximum",
	"minItems": "minItems", "maxItems": "maxItems", "uniqueItems": "uniqueItems",
}

var numberTags = []string{"multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
	"minLength", "maxLength", "minItems", "maxItems"}

// checkSchemaTag refuses what the reflector would drop without a word.
func checkSchemaTag(tag string) error {
	for _, element := range tagElements(tag) {
		key, val, found := strings.Cut(element, "=")
		_, known := schemaTags[key]
		switch {
		case !found && slices.Contains([]string{"", "required", "nullable"}, element):
		case !found:
			return fmt.Errorf("tag jsonschema: %q stands alone; if it belongs to a text with a comma, write \\\\, or use the tag jsonschema_description", element)
		case strings.HasPrefix(key, "oneof_") && !known, strings.HasPrefix(key, "anyof_") && !known:
			return fmt.Errorf("tag jsonschema: %s: providers refuse the schema that it makes", key)
		case !known:
			return fmt.Errorf("tag jsonschema: unknown keyword %q", key)
		case slices.Contains(numberTags, key):
			if _, ok := readNumber(val); !ok {
				return fmt.Errorf("tag jsonschema: %s=%s is no number", key, val)
			}
		case key == "uniqueItems" && val != "true":
			return errors.New("tag jsonschema: uniqueItems can only be true")
		}
	}
	return nil
}

// tagElements splits a tag at its commas; \, is one that belongs to a text.
func tagElements(tag string) []string {
	if tag == "" {
		return nil
	}
	elements := strings.Split(strings.ReplaceAll(tag, `\,`, "\x00"), ",")
	for i := range elements {
		elements[i] = strings.ReplaceAll(elements[i], "\x00", ",")
	}
	return elements
}

// typed reports whether a field's tag sets its JSON type.
func typed(f field) bool {
	return slices.ContainsFunc(tagElements(f.tag.Get("jsonschema")), func(e string) bool {
		return strings.HasPrefix(e, "type=") || strings.HasPrefix(e, "oneof_type=") || strings.HasPrefix(e, "anyof_type=")
	})
}

// checkTyped refuses a JSON type in the tag of a field whose Go type has one: no
// call could ever fit both, or what the Go type takes would not be held.
func checkTyped(f field) error {
	t := indirect(f.typ)
	if !typed(f) || t.Kind() == reflect.Interface || t == rawType || readsItself(t) || readsText(t) {
		return nil
	}
	return errAt(f.goName, "tag jsonschema: the JSON type of %s cannot be set; only that of any, and of types that read themselves", f.typ)
}

// checkEffect refuses a tag that left no trace in the schema: the reflector
// drops what does not fit the type.
func checkEffect(n *value, f field) error {
	enums := 0
	for _, element := range tagElements(f.tag.Get("jsonschema")) {
		key, val, found := strings.Cut(element, "=")
		if !found || val == "" || key == "type" {
			continue
		}
		if key == "enum" {
			enums++
		}
		if key == "default" && n.get("type").str() == "array" && n.get("items").get("type").str() != "string" {
			return fmt.Errorf("tag jsonschema: a default of %s cannot be written in a tag; put it into the description", f.typ)
		}
		keyword := schemaTags[key]
		if !n.has(keyword) && !n.get("items").has(keyword) {
			return fmt.Errorf("tag jsonschema: %s has no effect on %s", element, f.typ)
		}
	}
	if enums == 0 {
		return nil
	}
	enum := n.get("enum")
	if enum == nil {
		enum = n.get("items").get("enum")
	}
	if len(enum.items) != enums {
		return fmt.Errorf("tag jsonschema: %d of its enum values do not fit %s", enums-len(enum.items), f.typ)
	}
	return nil
}

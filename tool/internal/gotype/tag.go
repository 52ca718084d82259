package gotype

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
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
func checkSchemaTag(tag string, t reflect.Type) error {
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
			return fmt.Errorf("tag jsonschema: unknown keyword %q%s", key, didYouMean(key, slices.Collect(maps.Keys(schemaTags))))
		case val == "" && !slices.Contains([]string{"default", "description", "title", "example"}, key):
			return fmt.Errorf("tag jsonschema: %s= has no value", key)
		case slices.Contains(numberTags, key):
			if _, ok := tree.ReadNumber(val); !ok && !(isDurations(t) && slices.Contains(limitTags, key)) {
				return fmt.Errorf("tag jsonschema: %s=%s is no number", key, val)
			}
		case key == "uniqueItems" && val != "true":
			return errors.New("tag jsonschema: uniqueItems can only be true")
		}
	}
	return nil
}

// didYouMean suggests the name that is nearest to what was written, if one is near.
func didYouMean(written string, names []string) string {
	meant := tree.Closest(written, names)
	if meant == "" {
		for _, name := range slices.Sorted(slices.Values(names)) {
			if w := tree.Fold(written); len(w) > 2 && strings.HasPrefix(tree.Fold(name), w) {
				meant = cmp.Or(meant, name)
			}
		}
	}
	if meant == "" {
		return ""
	}
	return "; did you mean " + tree.Quote(meant) + "?"
}

// checkTagNames refuses the names of struct tags that are misspelt, or are a keyword
// that belongs into the tag jsonschema: encoding/json and the reflector do not look at
// them. A keyword that is there, too, was written for someone else.
func checkTagNames(tag reflect.StructTag) error {
	names, err := tagNames(tag)
	if err != nil {
		return err
	}
	said := schemaKeys(tag)
	for _, name := range names {
		if meant := misspelt(name); meant != "" {
			return fmt.Errorf("struct tag %s is not known; did you mean %s?", tree.Quote(name), meant)
		}
		keyword := name
		if name == "desc" || name == "doc" {
			keyword = "description"
		}
		if _, known := schemaTags[keyword]; !known || keyword == "anchor" || said[keyword] {
			continue
		}
		if keyword == "description" {
			return fmt.Errorf("nobody reads the struct tag %s; the tag for it is jsonschema_description", name)
		}
		return fmt.Errorf("nobody reads the struct tag %s; write it as `jsonschema:\"%s=…\"`", name, keyword)
	}
	return nil
}

// schemaKeys are the keywords that the tags of a schema say.
func schemaKeys(tag reflect.StructTag) map[string]bool {
	said := map[string]bool{}
	for _, element := range tagElements(tag.Get("jsonschema")) {
		key, _, _ := strings.Cut(element, "=")
		said[key] = true
	}
	if tag.Get("jsonschema_description") != "" {
		said["description"] = true
	}
	return said
}

// ourTags are the struct tags that are read here.
var ourTags = []string{"json", "jsonschema", "jsonschema_description", "jsonschema_extras"}

// misspelt returns the tag that was meant by another; "" if it is nobody's or another
// library's, as bson is.
func misspelt(name string) string {
	if slices.Contains(ourTags, name) {
		return ""
	}
	w := tree.Fold(name)
	for _, meant := range ourTags[1:] {
		if tree.Distance(w, tree.Fold(meant)) <= 2 {
			return meant
		}
	}
	switch {
	case strings.HasPrefix(w, "jsonschemad"):
		return "jsonschema_description"
	case strings.HasPrefix(w, "jsonschem"):
		return "jsonschema"
	case w == "json", strings.HasPrefix(w, "j") && !strings.HasPrefix(w, "json") && (tree.Distance(w, "json") == 1 || sorted(w) == "jnos"):
		return "json"
	}
	return ""
}

func sorted(s string) string {
	b := []byte(s)
	slices.Sort(b)
	return string(b)
}

// tagNames lists the names in a struct tag. One that is not written as Go reads it
// ends the tag without a word.
func tagNames(tag reflect.StructTag) (names []string, err error) {
	for rest := strings.TrimLeft(string(tag), " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		name, behind, found := strings.Cut(rest, ":")
		quoted, err := strconv.QuotedPrefix(behind)
		if !found || name == "" || strings.ContainsAny(name, " ,\"") || err != nil || quoted[0] != '"' {
			return nil, fmt.Errorf("its struct tag is not read from %s on; write name:\"value\", with a blank between two", tree.Quote(rest))
		}
		names = append(names, name)
		rest = behind[len(quoted):]
	}
	return names, nil
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
	t := Indirect(f.typ)
	if !typed(f) || t.Kind() == reflect.Interface || t == RawType || readsItself(t) || readsText(t) {
		return nil
	}
	return errAt(f.goName, "tag jsonschema: the JSON type of %s cannot be set; only that of any, and of types that read themselves", f.typ)
}

// checkEffect refuses a tag that left no trace in the schema: the reflector
// drops what does not fit the type.
func checkEffect(n *tree.Value, f field) error {
	enums := 0
	for _, element := range tagElements(f.tag.Get("jsonschema")) {
		key, val, found := strings.Cut(element, "=")
		if !found || val == "" && key != "enum" || key == "type" || isDurations(f.typ) && slices.Contains(limitTags, key) {
			continue
		}
		if isDurations(f.typ) && slices.Contains(textTags, key) {
			return fmt.Errorf("tag jsonschema: %s has no effect on %s", element, f.typ)
		}
		if key == "enum" {
			enums++
		}
		if key == "default" && n.Get("type").Str() == "array" && n.Get("items").Get("type").Str() != "string" {
			return fmt.Errorf("tag jsonschema: a default of %s cannot be written in a tag; put it into the description", f.typ)
		}
		keyword := schemaTags[key]
		if !n.Has(keyword) && !n.Get("items").Has(keyword) || onItems(keyword) && n.Get("type").Str() == "array" && n.Get("items").Get("type").Str() != "string" {
			return fmt.Errorf("tag jsonschema: %s has no effect on %s", element, f.typ)
		}
	}
	if enums == 0 {
		return checkValues(n, f)
	}
	enum := n.Get("enum")
	if enum == nil {
		enum = n.Get("items").Get("enum")
	}
	if len(enum.Items) != enums {
		return fmt.Errorf("tag jsonschema: %d of its enum values do not fit %s", enums-len(enum.Items), f.typ)
	}
	return checkValues(n, f)
}

// onItems reports whether the reflector puts a keyword for strings onto the
// items of an array, whatever they are.
func onItems(keyword string) bool { return keyword == "pattern" || keyword == "format" }

// checkValues refuses values and bounds that are not those of the Go type: the
// model is shown them, and what it then writes would not decode.
func checkValues(n *tree.Value, f field) error {
	t := Indirect(f.typ)
	own, err := hasSchema(t)
	if own || typed(f) && !readsText(t) || err != nil {
		return err
	}
	if k := t.Kind(); (k == reflect.Slice || k == reflect.Array) && n.Has("items") {
		if err := checkArray(n, t); err != nil {
			return err
		}
		n, t = n.Get("items"), Indirect(t.Elem())
	}
	if err := checkBounds(n, t); err != nil {
		return err
	}
	if format := n.Get("format").Str(); t == timeType && format != "date-time" {
		return fmt.Errorf("tag jsonschema: format=%s is not what %s reads", format, t)
	}
	var values []*tree.Value
	for _, keyword := range []string{"enum", "examples"} {
		if list := n.Get(keyword); list != nil {
			values = append(values, list.Items...)
		}
	}
	if d := n.Get("default"); d != nil {
		values = append(values, d)
	}
	for _, v := range values {
		if err := reads(v, t, f.quoted); err != nil {
			return fmt.Errorf("tag jsonschema: %s does not fit %s", tree.Clip(string(v.JSON()), tree.MaxEcho), f.typ)
		}
	}
	return nil
}

// checkArray refuses what a tag says of the length of an array, which Go says
// already, and a default that does not fit.
func checkArray(n *tree.Value, t reflect.Type) error {
	if n.Has("default") && reads(n.Get("default"), t, false) != nil {
		return fmt.Errorf("tag jsonschema: its default does not fit %s", t)
	}
	if t.Kind() == reflect.Array && (n.Bound("minItems") != strconv.Itoa(t.Len()) || n.Bound("maxItems") != strconv.Itoa(t.Len())) {
		return fmt.Errorf("tag jsonschema: %s always has %s", t, validate.Count(t.Len(), "item"))
	}
	return nil
}

// checkBounds refuses a bound beyond what the type can hold.
func checkBounds(n *tree.Value, t reflect.Type) error {
	var low, high string
	switch {
	case IsInt(t.Kind()), IsUint(t.Kind()):
		low, high = bounds(t)
	case t.Kind() == reflect.Float32, t.Kind() == reflect.Float64:
		high = largest(t)
		low = "-" + high
	default:
		return nil
	}
	for _, keyword := range []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"} {
		if bound := n.Get(keyword); bound != nil && (less(bound.Text, low) || less(high, bound.Text)) {
			return fmt.Errorf("tag jsonschema: %s=%s is beyond what %s holds", keyword, bound.Text, t)
		}
	}
	return nil
}

func less(a, b string) bool {
	x, okX := new(big.Rat).SetString(a)
	y, okY := new(big.Rat).SetString(b)
	return okX && okY && x.Cmp(y) < 0
}

// reads reports why a value does not decode into the type.
func reads(v *tree.Value, t reflect.Type, quoted bool) error {
	if isDurations(t) {
		return readDurations(v)
	}
	if quoted {
		return readQuoted(v.Str(), t)
	}
	return json.Unmarshal(v.JSON(), reflect.New(t).Interface())
}

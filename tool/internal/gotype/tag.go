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

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
)

// schemaTags maps the keywords of a jsonschema tag to the keywords of the schema.
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

// checkSchemaTag refuses elements of a tag that the reflector would ignore.
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
				return fmt.Errorf("tag jsonschema: %s=%s is not a number", key, val)
			}
		case key == "uniqueItems" && val != "true":
			return errors.New("tag jsonschema: uniqueItems can only be true")
		}
	}
	return nil
}

// didYouMean suggests the most similar name, if there is a similar name.
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

// checkTagNames refuses misspelt struct tags, and tags that belong inside the tag
// jsonschema, because encoding/json and the reflector ignore such tags. If the keyword
// is also in the tag jsonschema, the tag is for another library.
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
			return fmt.Errorf("the struct tag %s has no effect here; use jsonschema_description", name)
		}
		return fmt.Errorf("the struct tag %s has no effect here; write `jsonschema:\"%s=…\"`", name, keyword)
	}
	return nil
}

// schemaKeys returns the keywords in the schema tags of a field.
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

// ourTags lists the struct tags that this package reads.
var ourTags = []string{"json", "jsonschema", "jsonschema_description", "jsonschema_extras"}

// misspelt returns the intended tag, or "" for the tag of another library, such as bson.
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

// tagNames lists the names in a struct tag. Go silently ignores the rest of an
// ill-formed tag, so tagNames returns an error.
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

// tagElements splits a tag at its commas, except for commas written as \,.
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

// setsType reports whether a field's tag sets the JSON type.
func setsType(f field) bool {
	return slices.ContainsFunc(tagElements(f.tag.Get("jsonschema")), func(e string) bool {
		return strings.HasPrefix(e, "type=") || strings.HasPrefix(e, "oneof_type=") || strings.HasPrefix(e, "anyof_type=")
	})
}

// checkTyped refuses a JSON type in the tag of a field whose Go type has a known schema.
// Such a tag would contradict the type, or would hide rules of the type.
func checkTyped(f field) error {
	t := Indirect(f.typ)
	if !setsType(f) || t.Kind() == reflect.Interface || t == RawType || readsItself(t) || readsText(t) {
		return nil
	}
	return errAt(f.goName, "tag jsonschema: the JSON type of %s cannot be set; only that of any, and of types that read themselves", f.typ)
}

// checkEffect refuses a tag that left no trace in the schema. The reflector ignores
// keywords that do not fit the type.
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

// onItems reports whether the reflector moves a string keyword to the items of an array,
// whatever their type.
func onItems(keyword string) bool { return keyword == "pattern" || keyword == "format" }

// checkValues refuses values and bounds that the Go type cannot hold, because the model
// would send values that do not decode.
func checkValues(n *tree.Value, f field) error {
	t := Indirect(f.typ)
	own, err := hasSchema(t)
	if own || setsType(f) && !readsText(t) || err != nil {
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
		if err := decodes(v, t, f.quoted); err != nil {
			return fmt.Errorf("tag jsonschema: %s does not fit %s", clip.Runes(string(v.JSON()), tree.MaxEcho), f.typ)
		}
	}
	return nil
}

// checkArray refuses a length in the tag of an array, whose length Go fixes, and a
// default that does not fit.
func checkArray(n *tree.Value, t reflect.Type) error {
	if n.Has("default") && decodes(n.Get("default"), t, false) != nil {
		return fmt.Errorf("tag jsonschema: its default does not fit %s", t)
	}
	if t.Kind() == reflect.Array && (n.Bound("minItems") != strconv.Itoa(t.Len()) || n.Bound("maxItems") != strconv.Itoa(t.Len())) {
		return fmt.Errorf("tag jsonschema: %s always has %s", t, validate.Count(t.Len(), "item"))
	}
	return nil
}

// checkBounds refuses a bound that the type cannot hold.
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
			return fmt.Errorf("tag jsonschema: %s=%s is out of range for %s", keyword, bound.Text, t)
		}
	}
	return nil
}

func less(a, b string) bool {
	x, okX := new(big.Rat).SetString(a)
	y, okY := new(big.Rat).SetString(b)
	return okX && okY && x.Cmp(y) < 0
}

// decodes returns the error of decoding a value into the type.
func decodes(v *tree.Value, t reflect.Type, quoted bool) error {
	if isDurations(t) {
		return readDurations(v)
	}
	if quoted {
		return readQuoted(v.Str(), t)
	}
	return json.Unmarshal(v.JSON(), reflect.New(t).Interface())
}

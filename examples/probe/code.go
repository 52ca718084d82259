package main

import (
	"fmt"
	"go/format"
	"reflect"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// constants are the names of the values of a profile.
var constants = map[any]string{
	openai.APIChat: "openai.APIChat", openai.APIResponses: "openai.APIResponses",
	openai.ContentEmpty: "openai.ContentEmpty", openai.ContentOmitted: "openai.ContentOmitted",
	openai.CallIDsShort: "openai.CallIDsShort", openai.CallIDs40: "openai.CallIDs40", openai.CallIDsNine: "openai.CallIDsNine",
	openai.ToolImagesUser: "openai.ToolImagesUser",
	openai.SchemaNoIDs:    "openai.SchemaNoIDs", openai.SchemaGemini: "openai.SchemaGemini", openai.SchemaUnbounded: "openai.SchemaUnbounded", openai.SchemaGrammar: "openai.SchemaGrammar",
	openai.StrictTools: "openai.StrictTools", openai.StrictNever: "openai.StrictNever",
	openai.ToolChoiceWords: "openai.ToolChoiceWords", openai.ToolChoiceAuto: "openai.ToolChoiceAuto",
}

// differences returns the names of the fields in which two profiles differ.
func differences(a, b openai.Profile) []string {
	var names []string
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		if !reflect.DeepEqual(va.Field(i).Interface(), vb.Field(i).Interface()) {
			names = append(names, va.Type().Field(i).Name)
		}
	}
	return names
}

// changes returns the fields of b that differ from a, as in a literal.
func changes(a, b openai.Profile) []string {
	var fields []string
	for _, name := range differences(a, b) {
		fields = append(fields, name+": "+literal(reflect.ValueOf(b).FieldByName(name).Interface()))
	}
	return fields
}

// literal returns a value as Go code.
func literal(v any) string {
	if name, ok := constants[key(v)]; ok {
		return name
	}
	return fmt.Sprintf("%#v", v)
}

// key returns v if it can be the key of a map.
func key(v any) any {
	if reflect.TypeOf(v).Comparable() {
		return v
	}
	return nil
}

// code returns a profile as Go code.
func code(p openai.Profile) string {
	fields := changes(openai.Profile{}, p)
	if len(fields) == 0 {
		return "openai.Profile{}"
	}
	const head = "_ = "
	text := head + "openai.Profile{\n" + strings.Join(fields, ",\n") + ",\n}"
	if formatted, err := format.Source([]byte(text)); err == nil {
		text = string(formatted)
	}
	return strings.TrimPrefix(text, head)
}

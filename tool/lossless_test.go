package tool_test

import (
	"bytes"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/tool"
)

var errRequired = errors.New("a required member is not there")

// sameAs compares arguments with the JSON of the decoded value. These differences are
// allowed, and no other:
//
//   - A number in another spelling, -0 for 0 among them: JSON, JSON Schema and Go
//     call the values equal, and 0 is the one canonical spelling.
//   - A number for a float is the float nearest to it: that is what the Go type
//     holds. So 1e-400 is 0.
//   - Base64 of the same bytes: line breaks and unused bits say nothing.
//   - A date-time of the same instant and offset: 1.50 and 1.5 seconds. Of the
//     fraction nine digits count: that is what time.Time holds.
//   - A text that the type's UnmarshalText reads, and its own spelling of it.
//   - A member that is not written since it is omitempty or omitzero, and what
//     was given decodes to the empty or zero value.
//   - A member that is written and was not given: its field is optional, or
//     behind an embedded pointer, and has its zero value.
//   - null for a field that holds no nil, which its author tagged nullable: it
//     has its zero value. null for nil is null again, and no difference.
//   - The order of members, and of those in a json.RawMessage or any.
func sameAs(args, again any, f jsonField) error {
	t := target(f.typ)
	got, isText := args.(string)
	switch {
	case args == nil && again != nil:
		return sameNull(again, f)
	case args == nil || again == nil || t.Kind() == reflect.Interface:
		return sameJSON(args, again)
	case f.quoted && isText && t.Kind() != reflect.Bool:
		return sameQuoted(got, again, f)
	case t == reflect.TypeFor[time.Time]():
		return sameTime(got, again)
	case hasOwnSchema(t) && t.Kind() == reflect.Struct && t != reflect.TypeFor[genPoint](), t == reflect.TypeFor[json.RawMessage](), t == genReader:
		return sameJSON(args, again)
	case readsText(t):
		return sameText(got, again, t)
	}
	return sameKind(args, again, t)
}

func sameKind(args, again any, t reflect.Type) error {
	switch t.Kind() {
	case reflect.Float32, reflect.Float64:
		return sameFloat(args, again, t)
	case reflect.Struct:
		return sameStruct(args, again, t)
	case reflect.Map:
		return sameMap(args, again, t)
	case reflect.Slice, reflect.Array:
		if got, ok := args.(string); ok {
			return sameBytes(got, again)
		}
		return sameItems(args, again, t)
	}
	return sameJSON(args, again)
}

func differ(args, again any) error { return fmt.Errorf("%v became %v", args, again) }

func sameNull(again any, f jsonField) error {
	nullable := strings.Contains(f.tag.Get("jsonschema"), "nullable")
	if nullable && sameZero(again, f) == nil {
		return nil
	}
	return differ(nil, again)
}

// sameZero holds a member to the zero value of its field.
func sameZero(again any, f jsonField) error {
	zero := reparse(reflect.New(f.typ).Interface())
	if got, ok := again.(string); ok && f.quoted {
		again = read([]byte(got))
	}
	return sameJSON(zero, again)
}

func sameQuoted(args string, again any, f jsonField) error {
	text, ok := again.(string)
	if !ok {
		return differ(args, again)
	}
	return sameKind(json.Number(args), json.Number(text), target(f.typ))
}

func sameTime(args string, again any) error {
	text, _ := again.(string)
	a, errA := time.Parse(time.RFC3339Nano, args)
	b, errB := time.Parse(time.RFC3339Nano, text)
	_, offsetA := a.Zone()
	_, offsetB := b.Zone()
	if errA != nil || errB != nil || !a.Equal(b) || offsetA != offsetB {
		return differ(args, again)
	}
	return nil
}

func sameText(args string, again any, t reflect.Type) error {
	text, _ := again.(string)
	spelled := func(s string) string {
		v := reflect.New(t).Interface()
		if err := v.(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
			return err.Error()
		}
		written, err := v.(encoding.TextMarshaler).MarshalText()
		if err != nil {
			return err.Error()
		}
		return string(written)
	}
	if spelled(args) != text || spelled(text) != text {
		return differ(args, again)
	}
	return nil
}

func sameBytes(args string, again any) error {
	text, _ := again.(string)
	a, errA := base64.StdEncoding.DecodeString(args)
	b, errB := base64.StdEncoding.DecodeString(text)
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		return differ(args, again)
	}
	return nil
}

func sameFloat(args, again any, t reflect.Type) error {
	a, okA := args.(json.Number)
	b, okB := again.(json.Number)
	x, errA := strconv.ParseFloat(a.String(), t.Bits())
	y, errB := strconv.ParseFloat(b.String(), t.Bits())
	if !okA || !okB || errA != nil || errB != nil || x != y {
		return differ(args, again)
	}
	return nil
}

// sameJSON compares what no type changes: numbers by their exact value.
func sameJSON(args, again any) error {
	switch a := args.(type) {
	case json.Number:
		x, okA := new(big.Rat).SetString(a.String())
		b, okB := again.(json.Number)
		y, okC := new(big.Rat).SetString(b.String())
		if !okA || !okB || !okC || x.Cmp(y) != 0 {
			return differ(args, again)
		}
		return nil
	case []any:
		return sameItems(args, again, reflect.TypeFor[[]any]())
	case map[string]any:
		return sameMap(args, again, reflect.TypeFor[map[string]any]())
	}
	if args != again {
		return differ(args, again)
	}
	return nil
}

func sameItems(args, again any, t reflect.Type) error {
	a, okA := args.([]any)
	b, okB := again.([]any)
	if !okA || !okB || len(a) != len(b) {
		return differ(args, again)
	}
	for i := range a {
		if err := sameAs(a[i], b[i], jsonField{typ: t.Elem()}); err != nil {
			return fmt.Errorf("item %d: %w", i, err)
		}
	}
	return nil
}

func sameMap(args, again any, t reflect.Type) error {
	a, okA := args.(map[string]any)
	b, okB := again.(map[string]any)
	if !okA || !okB || len(a) != len(b) {
		return differ(args, again)
	}
	for key := range a {
		other, ok := b[key]
		if !ok {
			return fmt.Errorf("key %q is lost", key)
		}
		if err := sameAs(a[key], other, jsonField{typ: t.Elem()}); err != nil {
			return fmt.Errorf("key %q: %w", key, err)
		}
	}
	return nil
}

func sameStruct(args, again any, t reflect.Type) error {
	a, okA := args.(map[string]any)
	b, okB := again.(map[string]any)
	if !okA || !okB {
		return differ(args, again)
	}
	fields := jsonFields(t)
	for name, got := range a {
		f, known := fields[name]
		if !known {
			return fmt.Errorf("member %q is lost", name)
		}
		if err := sameMember(got, b, name, f); err != nil {
			return fmt.Errorf("member %q: %w", name, err)
		}
	}
	return notGiven(a, b, fields)
}

func sameMember(got any, again map[string]any, name string, f jsonField) error {
	written, ok := again[name]
	if ok {
		return sameAs(got, written, f)
	}
	raw, err := json.Marshal(got)
	if err != nil {
		return err
	}
	if got, quoted := got.(string); quoted && f.quoted {
		raw = []byte(got)
	}
	v := reflect.New(f.typ).Elem()
	if err := tool.Decode(raw, v.Addr().Interface()); err != nil {
		return err
	}
	if f.omitEmpty && isEmpty(v) || f.omitZero && isZero(v) {
		return nil
	}
	return errors.New("it is lost")
}

// isEmpty reports whether omitempty omits the value.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.Array, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

// isZero reports whether omitzero omits the value.
func isZero(v reflect.Value) bool {
	if z, ok := v.Interface().(interface{ IsZero() bool }); ok && (v.Kind() != reflect.Pointer || !v.IsNil()) {
		return z.IsZero()
	}
	return v.IsZero()
}

// notGiven holds the members that were not given to their zero values.
func notGiven(args, again map[string]any, fields map[string]jsonField) error {
	for name, written := range again {
		if _, given := args[name]; given {
			continue
		}
		f := fields[name]
		if !f.optional && f.tag.Get("jsonschema") != "-" {
			return fmt.Errorf("member %q: %w", name, errRequired)
		}
		if err := sameZero(written, f); err != nil {
			return fmt.Errorf("member %q was not given: %w", name, err)
		}
	}
	return nil
}

package tool

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool/internal/gotype"
)

var partType = reflect.TypeFor[llm.Part]()

// checkResult refuses a type of results that has no form in JSON. The content of
// interfaces is known only at run time.
func checkResult(t reflect.Type) error {
	if t.Implements(partType) || readable(t) {
		return nil
	}
	return findFormless(t, "", map[reflect.Type]bool{})
}

// findFormless names the field that has no form in JSON. seen contains the visited
// types.
func findFormless(t reflect.Type, at string, seen map[reflect.Type]bool) error {
	if seen[t] || writesItself(t) || isError(t) {
		return nil
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return resultError(at, "JSON has no form for %s", t)
	case reflect.Pointer:
		return findFormless(t.Elem(), at, seen)
	case reflect.Slice, reflect.Array:
		return findFormless(t.Elem(), at+"[]", seen)
	case reflect.Map:
		if k := t.Key(); !namesMembers(k) {
			return resultError(at, "a map needs keys that are strings, integers or text (MarshalText), not %s", k)
		}
		return findFormless(t.Elem(), at+"[]", seen)
	case reflect.Struct:
		for _, f := range writtenFields(t) {
			if err := findFormless(f.typ, strings.TrimPrefix(at+"."+f.goName, "."), seen); err != nil {
				return err
			}
		}
	}
	return nil
}

// namesMembers reports whether keys of type k can be names of JSON members.
func namesMembers(k reflect.Type) bool {
	return k.Kind() == reflect.String || gotype.IsInt(k.Kind()) || gotype.IsUint(k.Kind()) || k.Kind() == reflect.Uintptr || k.Implements(gotype.TextMarshalerType)
}

func resultError(at, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if at == "" {
		return fmt.Errorf("the result: %w", err)
	}
	return fmt.Errorf("the result's field %s: %w", at, err)
}

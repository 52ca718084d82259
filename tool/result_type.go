package tool

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool/internal/gotype"
)

var partType = reflect.TypeFor[llm.Part]()

// checkResult refuses a type of results of which something has no form in JSON. What
// an interface in it holds shows only when the tool was called.
func checkResult(t reflect.Type) error {
	if t.Implements(partType) || readable(t) {
		return nil
	}
	return findFormless(t, "", map[reflect.Type]bool{})
}

// findFormless names the field that has no form. seen are the types that were looked at.
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

// namesMembers reports whether a key of a map can be the name of a member.
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

// Package gotype makes JSON Schemas of Go types, and holds them to encoding/json.
//
// A [Reflection] makes two schemas of a type: the shown schema for the model, and the
// held schema, which knows what would only confuse a model (nil is null, the bounds of
// an int64, what UnmarshalText reads). A [Shape] finds members whose names differ
// from a field only by case, which encoding/json takes and a schema refuses.
//
// What cannot be expressed is an error with the Go field: types without a form, two
// fields of one name, tags without effect, tags that the type contradicts.
package gotype

// Package gotype reflects JSON Schemas from Go types, in agreement with encoding/json.
//
// A [Reflection] makes two schemas of a type. The model sees the shown schema. Arguments
// are validated against the held schema, which also contains rules that would confuse a
// model: null for nil, the bounds of an int64, the texts that UnmarshalText reads. A
// [Shape] finds members whose names differ from a field only in case, which
// encoding/json accepts and the schema refuses.
//
// A type without a schema is an error that names the Go field. So are two fields with
// one name, tags without effect, and tags that contradict the type.
package gotype

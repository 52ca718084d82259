// Package validate checks arguments against a compiled JSON Schema, repairs what a
// model plainly meant, and explains the rest.
//
// [Compile] makes a [Validator]. The library santhosh-tekuri/jsonschema judges; this
// package adds its own keywords where the library takes too long (enum, const,
// uniqueItems), Go's regexp as the engine for patterns, and fuel.
//
// Fuel is the only door for schemas from elsewhere: each subschema is charged before
// it looks at a value, so a check ends in time whatever the schema. Schemas of Go
// types are checked without fuel.
package validate
